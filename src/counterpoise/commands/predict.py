"""`counterpoise predict`: classes or boxes of images of your own, or raw logits for `decide.target: estimated`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from counterpoise import tasks
from counterpoise.commands import _built, _outputs
from counterpoise.config import InputError

if TYPE_CHECKING:
    from counterpoise.deployment.built import Built

HELP = "predict the classes of your own images, or find objects in them"
GROUP = "Deploy"
EXAMPLES = (
    ("counterpoise predict photos", "classes of every image below a folder"),
    ("counterpoise predict a.png b.png --top 1", "two images, each with its most probable class"),
    ("counterpoise predict photos --out found.csv", "a row for each image; an interrupted run goes on"),
    ("counterpoise predict photos --prevalence 0.01", "where the class that matters is rarer"),
)
FORMATS = ("csv", "jsonl", "parquet", "geojson", "coco")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the images, the model, and what is written for them."""
    parser.add_argument(
        "image",
        nargs="+",
        metavar="PATH",
        help="image file, or a folder: then every image below it; hidden files, tables and texts are left out",
    )
    _built.add_arguments(parser, "where the images are from")
    parser.add_argument("--format", choices=FORMATS, help="format of the rows (default: as FILE ends, or for people)")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="file for the rows: .csv, .jsonl or .parquet; of boxes also .geojson, or .json for COCO's results",
    )
    parser.add_argument(
        "--top", type=_count, default=3, metavar="K", help="show the K most probable classes or boxes (default: 3)"
    )
    parser.add_argument(
        "--logits",
        metavar="FILE",
        help="write raw logits to this parquet file instead, as input of decide.target: estimated",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, found {text!r}")
    return int(text)


def run(arguments: argparse.Namespace) -> str:
    """Predict with the model that was built in the current folder, or in that of `--model`.

    Raises:
        InputError: Some images cannot be read; the others are predicted all the same.
        ArtifactError: The pipeline was not run yet.
    """
    from counterpoise.stages import count_of

    form, out = _target(arguments)
    root, content = _built.locate(arguments.model)
    _check_task(arguments, form, boxes=tasks.find(content["task"]).HAS_BOXES)
    paths = Paths(arguments.image)
    if arguments.logits is not None:
        text, failed = write_logits(root, content, list(paths), Path(arguments.logits), arguments.model)
    else:
        model = _built.read(arguments, root, content)
        if form is not None and out is not None:
            text, failed = write_rows(model, paths, form, out)
        else:
            rows = _Rows(model, paths)
            text = _print_all_but_last(rows.text(form) if form is not None else rows.for_people(arguments.top))
            failed = rows.failed
    if not failed:
        return _printable(text)
    _print(text)
    where = "as said above" if out is None else f"as their rows in {out} say"
    others = "; the others are predicted" if failed < paths.count else ""
    raise InputError(f"{failed} of {count_of(paths.count, 'image')} cannot be read, {where}{others}")


def _target(arguments: argparse.Namespace) -> tuple[str | None, Path | None]:
    """Find how rows are written, and where; `None` for people, and for the terminal."""
    from counterpoise.deployment.tables import SUFFIXES

    if arguments.logits is not None:
        if arguments.out is not None or arguments.format is not None or arguments.prevalence:
            raise InputError("--logits writes raw logits, without --out, --format and --prevalence; leave those out")
        _outputs.check_file("--logits", Path(arguments.logits), [".parquet"], new=False)
        return None, None
    if arguments.out is None:
        if arguments.format == "parquet":
            raise InputError("--format parquet needs a file; name one by --out")
        return arguments.format, None
    out = Path(arguments.out)
    _outputs.check_file("--out", out, tuple(SUFFIXES) if arguments.format is None else (), new=True)
    return arguments.format or SUFFIXES[out.suffix], out


def _check_task(arguments: argparse.Namespace, form: str | None, *, boxes: bool) -> None:
    """Refuse what does not suit the task."""
    from counterpoise.deployment.tables import OF_BOXES

    if boxes and arguments.logits is not None:
        raise InputError("--logits is for classes of images; this model finds boxes, which --out writes")
    if not boxes and form in OF_BOXES:
        raise InputError(
            f"format {form!r} holds boxes, and this model finds none, since its task is not 'detection'; choose csv, "
            "jsonl or parquet"
        )


class _Rows:
    """Answers as they come, and how many of them are errors."""

    def __init__(self, model: Built, paths: Paths) -> None:
        self.model, self.paths, self.failed = model, paths, 0

    def for_people(self, top: int) -> Iterator[str]:
        """Write a line for each image, and one for each of the `top` most probable classes or boxes."""
        for answer in self.model.answers(self.paths):
            self.failed += bool(answer.error)
            yield f"ERROR {answer.error}" if answer.error else "\n".join([answer.headline(), *answer.details(top)])

    def text(self, form: str) -> Iterator[str]:
        """Write rows in a format."""
        from counterpoise.deployment import tables

        yield from tables.text(form, self._rows(form), self.model.card.classes, boxes=self.model.boxes)

    def _rows(self, form: str) -> Iterator[dict[str, Any]]:
        from counterpoise.deployment.tables import Positions

        positions = Positions()
        for answer in self.model.answers(self.paths):
            row = answer.row()
            if form == "geojson":
                positions.check(row)
            self.failed += bool(answer.error)
            yield row


def write_rows(model: Built, paths: Paths, form: str, out: Path) -> tuple[str, int]:
    """Write a row for each image to a file, or go on where an interrupted run was.

    Args:
        model: The built model.
        paths: Image files.
        form: Format of the file.
        out: The file.

    Returns:
        What was written, and how many images cannot be read.

    Raises:
        InputError: The file exists, or an interrupted run had other settings.
        OSError: It cannot be written; what is predicted is kept.
    """
    from tqdm import tqdm

    from counterpoise.deployment import journal, tables
    from counterpoise.stages import count_of

    with journal.opened(out, model.settings()) as kept:
        before = len(kept.done)
        left = (path for path in paths if str(path) not in kept.done)
        positions = tables.Positions()
        if form == "geojson":
            for row in kept.rows():
                positions.check(row)
        progress = tqdm(initial=before, desc="predict", unit="image", delay=1, mininterval=1)
        try:
            for answer in model.answers(left):
                row = answer.row()
                if form == "geojson":
                    positions.check(row)
                kept.append(row)
                progress.update()
        except KeyboardInterrupt:
            print(f"\nwhat is predicted is kept in {kept.path}; the same command goes on", file=sys.stderr)
            raise
        finally:
            progress.close()
        tables.write(form, out, kept.rows, model.card.classes, boxes=model.boxes)
        kept.remove()
        went_on = f", {before} of them by an interrupted run" if before else ""
        return f"{out}: {count_of(paths.count, 'image')}{went_on}", kept.failed


def write_logits(
    root: Path, content: Mapping[str, Any], paths: Sequence[Path], out: Path, stated: str | None
) -> tuple[str, int]:
    """Write raw logits of images that nobody labelled, for `decide.target: estimated`.

    Args:
        root: A repository in which the pipeline was run.
        content: Its checked parameters.
        paths: Image files.
        out: Parquet file to write, with a row for each image that can be read.
        stated: As `--model` names the repository; `None` for the current folder.

    Returns:
        What was written, with a line for each image that cannot be read, and their number.

    Raises:
        InputError: No image can be read.
        ArtifactError: There is no model yet.
    """
    import numpy as np

    from counterpoise.artifacts import model, predictions, unlabelled
    from counterpoise.deployment import model_folder, predictor  # imports torch
    from counterpoise.stages import count_of

    failed = [f"ERROR {path}: its name is not UTF-8, as {out} needs; rename it" for path in paths if not _is_utf8(path)]
    done = {}
    with model_folder.naming(stated):
        model_folder.check_version(root)
        card = model.read_card(root)
        model_folder.check_task(content, card, None)
        for path, row in predictor.logits(root, filter(_is_utf8, paths), content):
            if isinstance(row, InputError):
                failed.append(f"ERROR {row}")
            else:
                done[path] = row
    if not done:
        raise InputError("\n".join([*failed, f"none of {len(paths)} images can be read; {out} is not written"]))
    fingerprint = predictions.fingerprint(root, "val")
    ids, logits = tuple(map(str, done)), np.concatenate(list(done.values()))
    unlabelled.write(out, unlabelled.Unlabelled(ids, card.classes, logits, fingerprint))
    return "\n".join([*failed, f"{out}: raw logits of {count_of(len(done), 'image')}"]), len(failed)


def _print_all_but_last(lines: Iterator[str]) -> str:
    """Print texts as they come, and return the last one."""
    last = None
    for line in lines:
        if last is not None:
            _print(last)
        last = line.removesuffix("\n")
    return last or ""


def _print(text: str) -> None:
    try:
        print(_printable(text), flush=True)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        _stop()


def _stop() -> NoReturn:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at exit
    sys.exit(0)


def _printable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()  # not every terminal takes names that are not UTF-8


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


class Paths:
    """Image files, found one by one when they are needed, each once.

    Attributes:
        count: How many there were so far.

    Raises:
        InputError: There is none.
    """

    def __init__(self, stated: Sequence[str]) -> None:
        self.count = 0
        found = self._found(stated)
        first = next(found, None)
        if first is None:
            raise InputError(f"no image found in {list(stated)}; expected image files, or folders that contain some")
        self._all = chain([first], found)

    def __iter__(self) -> Iterator[Path]:
        for path in self._all:
            self.count += 1
            yield path

    @staticmethod
    def _found(stated: Sequence[str]) -> Iterator[Path]:
        seen: set[str] = set()
        for name in stated:
            for path in _files(Path(name), ()):
                if len(stated) > 1:  # one folder holds none twice
                    if str(path) in seen:
                        continue
                    seen.add(str(path))
                yield path


def _may_be_image(entry: os.DirEntry[str]) -> bool:
    """Say whether what lies in a folder is neither hidden nor, by its suffix, something that is kept beside images."""
    from counterpoise.sources import OTHER_FILES

    other = entry.name.lower().endswith(OTHER_FILES) and not Path(entry.path).is_dir()
    return not other and not entry.name.startswith(".")


def _files(path: Path, above: tuple[str, ...]) -> Iterator[Path]:
    """Find a file, or what may be images in a folder, through links, but not into the folders `above`.

    What cannot be read or listed is found, too: its error is told in its place.
    """
    here = os.path.realpath(path)
    if not path.is_dir() or (above and not os.access(path, os.R_OK | os.X_OK)):
        yield path
    elif here not in above:
        with os.scandir(path) as entries:
            names = sorted(entry.name for entry in entries if _may_be_image(entry))
        for name in names:
            yield from _files(path / name, (*above, here))
