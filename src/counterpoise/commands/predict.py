"""`counterpoise predict`: classes or boxes of images of your own, or raw logits for `decide.target: estimated`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from counterpoise import commands, tasks
from counterpoise.config import InputError

HELP = "predict the classes of your own images, or find objects in them"
GROUP = "Deploy"
EXAMPLES = (
    ("counterpoise predict photos", "classes of every image below a folder"),
    ("counterpoise predict a.png b.png --top 1", "two images, each with its most probable class"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the images, and what is written for them."""
    parser.add_argument(
        "image", nargs="+", metavar="PATH", help="image file, or a folder: then every file below it, but hidden ones"
    )
    parser.add_argument(
        "--top", type=_count, default=3, metavar="K", help="show the K most probable classes (default: 3)"
    )
    parser.add_argument(
        "--logits",
        metavar="FILE",
        help="write raw logits to this parquet file instead, as input of decide.target: estimated",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="detection: write the boxes decided for as GeoJSON (.geojson), or all boxes as COCO's results (.json)",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, found {text!r}")
    return int(text)


def run(arguments: argparse.Namespace) -> str:
    """Predict with the model that was built in the current folder.

    Raises:
        InputError: Some images cannot be read; the others are predicted all the same.
    """
    root = Path.cwd()
    if arguments.logits is not None:
        _check_target("--logits", Path(arguments.logits), {".parquet": "decide.unlabelled reads"})
    content = commands.checked_params(root)
    paths = list(dict.fromkeys(path for image in arguments.image for path in _files(Path(image), ())))
    if not paths:
        raise InputError(f"no image found in {arguments.image}; expected image files, or folders that contain some")
    if tasks.find(content["task"]).HAS_BOXES:
        if arguments.logits is not None:
            raise InputError("--logits is for classes of images; this model finds boxes, which --out writes")
        text, failed = show_boxes(root, content, paths, arguments.top, arguments.out)
    elif arguments.out is not None:
        raise InputError("--out writes boxes, and this model finds none; its task is not 'detection'")
    elif arguments.logits is not None:
        text, failed = write_logits(root, content, paths, Path(arguments.logits))
    else:
        text, failed = show_classes(root, content, paths, arguments.top)
    text = text.encode(errors="backslashreplace").decode()  # not every terminal takes names that are not UTF-8
    if failed:
        print(text)
        raise InputError(f"{failed} of {len(paths)} images cannot be read, as said above; the others are predicted")
    return text


def show_boxes(
    root: Path, content: Mapping[str, Any], paths: Sequence[Path], top: int, out: str | None
) -> tuple[str, int]:
    """Write how many objects are decided for in each image, and the `top` most probable boxes.

    Args:
        root: A repository in which the pipeline was run.
        content: Its checked parameters.
        paths: Image files.
        top: Boxes to show of each image.
        out: File for the boxes; `None` for none.

    Returns:
        Lines for each image, and how many images cannot be read.

    Raises:
        InputError: The file cannot be written, or GeoJSON has no position.
        ArtifactError: The pipeline was not run yet.
    """
    from counterpoise import storage
    from counterpoise.artifacts import model
    from counterpoise.deployment import detector  # imports torch

    if out is not None:
        _check_target("--out", Path(out), {".geojson": "maps read", ".json": "tools for COCO read"})
    answers = list(detector.answer(root, paths, content))
    lines = []
    for answer in answers:
        if answer.error:
            lines.append(f"ERROR {answer.error}")
            continue
        names = [name for name, own in zip(answer.labels, answer.decided, strict=True) if own]
        counts = ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names))
        lines.append(f"{answer.image}: {counts or 'no box reaches the threshold of its class'}")
        for row in sorted(range(len(answer.labels)), key=lambda row: -answer.probs[row])[:top]:
            corners = ", ".join(f"{side:.0f}" for side in answer.boxes[row])
            lines.append(f"    {answer.probs[row]:6.3f}  {answer.labels[row]}  x0, y0, x1, y1 = {corners} px")
    read = [answer for answer in answers if not answer.error]
    if out is not None and read:
        content_of = detector.as_geojson(read) if out.endswith(".geojson") else None
        rows = detector.as_coco(read, model.read_card(root).classes) if content_of is None else content_of
        storage.write_json(Path(out), rows)
        lines.append(f"{out}: boxes of {len(read)} images")
    return "\n".join(lines), sum(bool(answer.error) for answer in answers)


def show_classes(root: Path, content: Mapping[str, Any], paths: Sequence[Path], top: int) -> tuple[str, int]:
    """Write the classes decided for, and the `top` most probable ones, of each image.

    Returns:
        Lines for each image, and how many images cannot be read.

    Raises:
        ArtifactError: The pipeline was not run yet.
    """
    from counterpoise.deployment import predictor  # imports torch

    answers = predictor.answer(root, paths, content, top)
    lines = []
    for answer in answers:
        if answer.error:
            lines.append(f"ERROR {answer.error}")
            continue
        lines.append(f"{answer.image}: {', '.join(answer.decided) or 'no label reaches its threshold'}")
        lines += [f"    {prob:6.3f}  {name}" for name, prob in answer.ranked]
    return "\n".join(lines), sum(bool(answer.error) for answer in answers)


def write_logits(root: Path, content: Mapping[str, Any], paths: Sequence[Path], out: Path) -> tuple[str, int]:
    """Write raw logits of images that nobody labelled, for `decide.target: estimated`.

    Args:
        root: A repository in which the pipeline was run.
        content: Its checked parameters.
        paths: Image files.
        out: Parquet file to write, with a row for each image that can be read.

    Returns:
        What was written, with a line for each image that cannot be read, and their number.

    Raises:
        InputError: No image can be read.
        ArtifactError: There is no model yet.
    """
    import numpy as np

    from counterpoise.artifacts import model, predictions, unlabelled
    from counterpoise.deployment import predictor  # imports torch

    named = [path for path in paths if _is_utf8(path)]
    card, rows = model.read_card(root), predictor.logits(root, named, content)
    failed = [f"ERROR {path}: its name is not UTF-8, as {out} needs; rename it" for path in paths if not _is_utf8(path)]
    failed += [f"ERROR {row}" for row in rows if isinstance(row, InputError)]
    done = {path: row for path, row in zip(named, rows, strict=True) if not isinstance(row, InputError)}
    if not done:
        raise InputError("\n".join([*failed, f"none of {len(paths)} images can be read; {out} is not written"]))
    fingerprint = predictions.fingerprint(root, "val")
    ids, logits = tuple(map(str, done)), np.concatenate(list(done.values()))
    unlabelled.write(out, unlabelled.Unlabelled(ids, card.classes, logits, fingerprint))
    return "\n".join([*failed, f"{out}: raw logits of {len(done)} images"]), len(failed)


def _check_target(option: str, out: Path, kinds: Mapping[str, str]) -> None:
    """Refuse a file that cannot be written, or that nothing reads, before any image is decoded.

    Args:
        option: The option that names it.
        out: The file.
        kinds: Suffixes that it may have, and what reads them.
    """
    suffix = next(iter(kinds))
    if out.is_dir():
        raise InputError(f"{option} {out} is a folder; name a file in it, such as {out / f'there{suffix}'}")
    if out.suffix not in kinds:
        wanted = " or ".join(f"{end}, which {reader}" for end, reader in kinds.items())
        raise InputError(f"{option} {out}: expected a file name that ends in {wanted}")
    above = next(folder for folder in out.absolute().parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise InputError(f"{option} {out}: cannot be written, since {above} is no folder in which this user may write")


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _files(path: Path, above: tuple[str, ...]) -> list[Path]:
    """List a file, or all in a folder that are not hidden, through links, but not into the folders `above`.

    What cannot be read or listed is in the list, too: its error is told in its place.
    """
    here = os.path.realpath(path)
    if not path.is_dir() or (above and not os.access(path, os.R_OK | os.X_OK)):
        return [path]
    if here in above:
        return []
    inside = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    return [file for entry in inside for file in _files(entry, (*above, here))]
