"""`counterpoise suggest-labels`: which images of a folder to label next for the rare class."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoise import commands, sources, tasks
from counterpoise.commands import _outputs
from counterpoise.config import InputError

if TYPE_CHECKING:
    from counterpoise.labelling.suggestions import Suggestions

HELP = "say which images of a folder to label next for the rare class"
GROUP = "Understand"
EXAMPLES = (
    ("counterpoise suggest-labels photos", "200 images of the folder `photos`, for the class that matters"),
    ("counterpoise suggest-labels photos --n 50 --class rust --out rust.csv", "50 images, for another class"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the images, and how many are chosen for which class."""
    parser.add_argument("folder", metavar="DIR", help="folder with unlabelled images, also below it")
    parser.add_argument("--n", type=_count, default=200, metavar="N", help="images to label (default: 200)")
    parser.add_argument(
        "--class", dest="label", metavar="NAME", help="class to look for (default: the one that matters)"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        default="suggested-labels.csv",
        help="new table to fill in; a page with the pictures is put beside it (default: suggested-labels.csv)",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"expected a whole number in 1..100000, found {text!r}")
    return int(text)


def run(arguments: argparse.Namespace) -> str:
    """Choose images with the model that was built in the current folder.

    Raises:
        InputError: A file cannot be written, the folder is none or has no image that can be read, or the model is of
            another task or has no such class.
        ArtifactError: The pipeline was not run yet.
    """
    root, folder, out = Path.cwd(), Path(arguments.folder), Path(arguments.out)
    content = commands.checked_params(root)
    if not folder.is_dir():
        raise InputError(f"{folder}: {'no folder' if folder.exists() else 'no such folder'}; name one with images")
    _outputs.check_file("--out", out, [".csv"], new=True)
    page = out.with_suffix(".html")
    _outputs.check_file("--out", page, new=True)

    from counterpoise import storage
    from counterpoise.artifacts import model
    from counterpoise.deployment import model_folder
    from counterpoise.labelling import pages, suggestions  # import torch

    model_folder.check_version(root)
    found = suggestions.choose(root, content, folder, arguments.n, arguments.label)
    data = Path(content["ingest"]["root"])
    base = data if folder.resolve().is_relative_to((root / data).resolve()) else folder
    given, empty = _columns(content, has_boxes=found.has_boxes)
    image = suggestions.image_column(given, found, base)
    empty = [name for name in empty if name not in sources.columns_in(image)]
    suggestions.write(out, found, image, empty, _delimiter(content), base)
    storage.write_text(page, pages.suggestions(found, model.read_card(root).pixels, out))
    lines = _said(found, arguments.n, out, page, base)
    if base != data:
        lines.append(f"copy the images that you label into {data}, where the paths of ingest.source start")
    lines.append(_what_to_do(content, empty, is_own=image == given))
    return "\n".join(lines).encode(errors="backslashreplace").decode()


def _columns(content: Mapping[str, Any], *, has_boxes: bool) -> tuple[str, list[str]]:
    """Name the column of the image, or its pattern, and the columns that stay empty, as the user's own table does."""
    if has_boxes:
        return "image", []
    if content["ingest"]["source"] != "csv":
        return "image", ["label"]
    own = content["ingest"]["sources"]["csv"]
    names = own["label_columns"] or [own["label_column"]]
    others = [*own["join_columns"], own["group_column"], own["split_column"]]
    return own["image_column"], [*names, *(name for name in others if name)]


def _delimiter(content: Mapping[str, Any]) -> str:
    if content["ingest"]["source"] != "csv":
        return ","
    return "\t" if (own := content["ingest"]["sources"]["csv"]["delimiter"]) == r"\t" else str(own)


def _said(found: Suggestions, wanted: int, out: Path, page: Path, base: Path) -> list[str]:
    tally, count = found.tally, len(found.chosen)
    lines = [f"WARNING: {line}" for line in tally.lines]
    if (more := tally.unusable - len(tally.lines)) > 0:
        lines.append(f"WARNING: {more} more images cannot be used")
    lines.append(
        f"{out}: {count} images to label for {found.label!r}, of {tally.seen} without a label; paths start from {base}"
    )
    if tally.labelled or tally.like_labelled:
        lines.append(f"left out: {tally.labelled} that have labels already, {tally.like_labelled} that look like them")
    if count < wanted:
        lines.append(f"fewer than {wanted}: the other images look like a labelled image or like these")
    lines.append(f"{page}: their pictures")
    return lines


def _what_to_do(content: Mapping[str, Any], empty: list[str], *, is_own: bool) -> str:
    """Say how the table becomes labels; `is_own` where it names images as the user's own does."""
    task = tasks.find(content["task"])
    if task.HAS_BOXES:
        return "draw the boxes with a tool of your choice, and add them to your own labels"
    reading = "read this one by ingest.source csv"
    reading = f"append the rows to your table, or {reading}" if is_own else f"{reading}, with image_column 'image'"
    none = ": an empty cell means that the image has none" if task.fault_of_labels(()) is None else ""
    return f"fill in {', '.join(map(repr, empty))}, then {reading}; delete rows that you did not label{none}"
