"""`counterpoise predict`: the classes of images of your own, or their raw logits for `decide.target: estimated`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from counterpoise import commands
from counterpoise.config import InputError

HELP = "predict the classes of your own images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the images, and what is written for them."""
    parser.add_argument("image", nargs="+", help="image file, or with --logits also a folder of images")
    parser.add_argument("--top", type=int, default=3, metavar="K", help="show the K most probable classes (default: 3)")
    parser.add_argument(
        "--logits",
        metavar="FILE",
        help="write raw logits to this parquet file instead, as input of decide.target: estimated",
    )


def run(arguments: argparse.Namespace) -> str:
    """Predict with the model that was built in the current folder."""
    root = Path.cwd()
    content = commands.checked_params(root)
    if arguments.logits is not None:
        return write_logits(root, content, arguments.image, arguments.logits)
    return show_classes(root, content, arguments.image, arguments.top)


def show_classes(root: Path, content: Mapping[str, Any], images: Sequence[str], top: int) -> str:
    """Write the classes decided for, and the `top` most probable ones, of each image.

    Raises:
        InputError: An image cannot be read.
        ArtifactError: The pipeline was not run yet.
    """
    from counterpoise.deployment import predictor  # imports torch

    lines = []
    for answer in predictor.answer(root, [Path(image) for image in images], content, top):
        lines.append(f"{answer.image}: {', '.join(answer.decided) or 'no label reaches its threshold'}")
        lines += [f"    {prob:6.3f}  {name}" for name, prob in answer.ranked]
    return "\n".join(lines)


def write_logits(root: Path, content: Mapping[str, Any], images: Sequence[str], out: str) -> str:
    """Write raw logits of images that nobody labelled, for `decide.target: estimated`.

    Args:
        root: A repository in which the pipeline was run.
        content: Its checked parameters.
        images: Image files. A folder means every file below it, except hidden ones.
        out: Parquet file to write.

    Returns:
        What was written.

    Raises:
        InputError: An image cannot be read.
        ArtifactError: There is no model yet, or an image is named twice.
    """
    from counterpoise.artifacts import model, predictions, unlabelled
    from counterpoise.deployment import predictor  # imports torch

    paths = [path for image in images for path in _files(Path(image))]
    if not paths:
        raise InputError(f"no image found in {images}; expected image files, or folders that contain some")
    card = model.read_card(root)
    logits = predictor.logits(root, paths, content)
    fingerprint = predictions.fingerprint(root, "val")
    unlabelled.write(Path(out), unlabelled.Unlabelled(tuple(map(str, paths)), card.classes, logits, fingerprint))
    return f"{out}: raw logits of {len(paths)} images"


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
