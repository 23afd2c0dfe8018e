"""`counterpoise export`: the built model as an ONNX graph, for programs without this package."""

from __future__ import annotations

import argparse
from pathlib import Path

from counterpoise import commands
from counterpoise.config import InputError

HELP = "write the built model as an ONNX graph, with all that a program needs to use it"
GROUP = "Deploy"
EXAMPLES = (
    ("counterpoise export --out exported", "graph, constants and decision of the model in this repository"),
    ("counterpoise export --model ../roofs --prevalence 0.01 --out exported", "to be used where roofs are rarer"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the model, and where it goes."""
    parser.add_argument(
        "--model", metavar="DIR", help="repository in which the model was built (default: the current folder)"
    )
    parser.add_argument(
        "--prevalence",
        action="append",
        default=[],
        metavar="SHARE",
        help="share of the class that matters where the model will be used, such as 0.05, or of another class, such as "
        "rust=0.05; may be repeated (default: as decide.target)",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="new folder for the files")


def run(arguments: argparse.Namespace) -> str:
    """Export the model, and say how well the graph agrees with PyTorch.

    Raises:
        InputError: The folder is not new, or the model cannot be exported.
        ArtifactError: The pipeline was not run yet.
    """
    from counterpoise.deployment import model_folder

    out = Path(arguments.out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"--out {out} already exists; name a new folder, so that nothing is overwritten")
    root = Path.cwd() if arguments.model is None else model_folder.locate(arguments.model)
    content = commands.checked_params(root)
    from counterpoise.deployment import built, onnx_export  # import torch

    found = onnx_export.write(built.read(root, content, arguments.prevalence), out)
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
