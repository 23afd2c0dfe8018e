"""`counterpoise export`: the built model as an ONNX graph, for programs without this package."""

from __future__ import annotations

import argparse
from pathlib import Path

from counterpoise.commands import _built, _outputs

HELP = "write the built model as an ONNX graph, with all that a program needs to use it"
GROUP = "Deploy"
EXAMPLES = (
    ("counterpoise export --out exported", "graph, constants and decision of the model in this repository"),
    ("counterpoise export --model ../roofs --prevalence 0.01 --out exported", "to be used where roofs are rarer"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the model, and where it goes."""
    _built.add_arguments(parser, "where the model will be used")
    parser.add_argument("--out", required=True, metavar="DIR", help="new folder for the files")


def run(arguments: argparse.Namespace) -> str:
    """Export the model, and say how well the graph agrees with PyTorch.

    Raises:
        InputError: The folder is not new, or the model cannot be exported.
        ArtifactError: The pipeline was not run yet.
    """
    out = Path(arguments.out)
    _outputs.check_folder("--out", out)
    root, content = _built.locate(arguments.model)
    model = _built.read(arguments, root, content)
    from counterpoise.deployment import model_folder, onnx_export  # imports torch

    with model_folder.naming(arguments.model):
        found = onnx_export.write(model, out)
    size_mb = (out / onnx_export.GRAPH).stat().st_size / 1e6
    lines = [
        f"{out / onnx_export.GRAPH}: the network, {size_mb:.1f} MB",
        f"{out / onnx_export.SAYS}: classes, constants of the input, calibration and decision",
    ]
    if (out / Path(onnx_export.CARD).name).exists():
        lines.append(f"{out / Path(onnx_export.CARD).name}: the model card")
    what = "scores of boxes" if found.rows != found.tiles or found.lost else "logits"
    lines += [
        f"compared with PyTorch on {found.tiles} tiles of validation: {what} differ by at most "
        f"{found.largest_difference:.1e} (allowed: {found.tolerance:.0e})",
        f"decisions agree on {found.rows - found.decided_otherwise} of {found.rows}; a difference of "
        f"{found.tolerance:.0e} could turn {found.near} of them",
    ]
    if found.lost:
        lines.append(f"{found.lost} boxes are found by one of the two alone, since suppression compares rounded scores")
    return "\n".join(lines)
