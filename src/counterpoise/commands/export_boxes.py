"""`counterpoise export-boxes`: detections as GeoJSON, COCO's JSON and heat maps."""

from __future__ import annotations

import argparse
from pathlib import Path

from counterpoise.commands import _outputs

HELP = "write detections as GeoJSON, COCO's JSON and heat maps"
GROUP = "Deploy"
EXAMPLES = (
    ("counterpoise export-boxes maps", "detections of the test split, in a new folder `maps`"),
    ("counterpoise export-boxes maps --split val --cell-px 128", "those of validation, with coarser heat maps"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is written, and where."""
    parser.add_argument("folder", metavar="DIR", help="new folder for the files")
    parser.add_argument("--split", choices=("val", "test"), default="test", help="whose detections (default: test)")
    parser.add_argument(
        "--cell-px", type=_count, default=64, metavar="PX", help="side of a cell of heat maps (default: 64)"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, found {text!r}")
    return int(text)


def run(arguments: argparse.Namespace) -> str:
    """Export the detections of the repository in the current folder.

    Raises:
        InputError: The folder is not new, the labels are no boxes, or rasterio is missing.
        ArtifactError: The pipeline was not run yet.
    """
    from counterpoise import commands
    from counterpoise.deployment import box_exports

    commands.checked_params(Path.cwd())
    folder = Path(arguments.folder)
    _outputs.check_folder("DIR", folder)
    found = box_exports.read(Path.cwd(), arguments.split)
    box_exports.write(folder, found, arguments.cell_px)
    total, decided, placed = len(found.probs), int(found.decided.sum()), len(found.positions)
    lines = [
        f"{folder}: {total} boxes of {len(found.scenes)} scenes, {decided} of them decided for",
        f"{box_exports.RESULTS}: all boxes with their probability; {box_exports.ANNOTATIONS}: the objects there",
        f"*{box_exports.HEAT_MAP}: expected number of objects in cells of {arguments.cell_px} px",
        f"*{box_exports.GEOJSON}: the boxes decided for, in the reference system of their scene; {placed} files",
    ]
    if without := len(found.scenes) - placed:
        lines.append(f"{without} scenes state no position on the earth, so they have no GeoJSON")
    return "\n".join(lines)
