"""`counterpoise suspects`: labels that are probably wrong, on a page to confirm, and the corrected table of labels."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from counterpoise import commands, tasks
from counterpoise.commands import _outputs
from counterpoise.config import InputError

HELP = "list labels that are probably wrong, on a page to confirm"
GROUP = "Understand"
EXAMPLES = (
    ("counterpoise suspects", "writes `suspects.csv`, and `suspects.html` to look at and to confirm"),
    (
        "counterpoise suspects --apply confirmed.csv --out data/raw/photos/corrected.csv",
        "a table of all labels, with those that were confirmed",
    ),
)
DEFAULT = "suspects.csv"
DEMO = "data/demo"
"""Where stage `demo` writes, and what it replaces."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where the list goes, and how it comes back."""
    parser.add_argument(
        "--out",
        metavar="FILE",
        help=f"new table; the page is put beside it (default: {DEFAULT}; with --apply below ingest.root)",
    )
    parser.add_argument("--show", type=_count, default=200, metavar="N", help="suspects on the page (default: 200)")
    parser.add_argument("--apply", metavar="FILE", help="confirmed table; write all labels with its corrections")


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"expected a whole number in 1..10000, found {text!r}")
    return int(text)


def run(arguments: argparse.Namespace) -> str:
    """List suspects of the repository in the current folder, or apply what was confirmed.

    Raises:
        InputError: A file cannot be written, cleanlab is missing, labels are boxes, or a table does not suit the data.
        ArtifactError: The pipeline was not run, or with other parameters.
    """
    root = Path.cwd()
    content = commands.checked_params(root)
    if arguments.apply is not None:
        return _apply(root, content, Path(arguments.apply), arguments.out)
    return _list(root, content, Path(arguments.out or DEFAULT), arguments.show)


def _list(root: Path, content: Mapping[str, Any], out: Path, most: int) -> str:
    from counterpoise.labelling import confident_learning

    _outputs.check_file("--out", out, [".csv"], new=True)
    page = out.with_suffix(".html")
    _outputs.check_file("--out", page, new=True)
    confident_learning.check_installed()

    from counterpoise import storage
    from counterpoise.artifacts import tiles
    from counterpoise.labelling import corrections, cross_fitting, pages  # import torch
    from counterpoise.study import cells

    found = cross_fitting.read(root, content)
    of = found.images
    columns = [column for column, is_counted in enumerate(of.counted) if is_counted]
    suspects = confident_learning.find(of.truth, found.probs, one_class=of.one_class, columns=columns)
    lines = corrections.lines(suspects, of)
    shown = pages.shown(lines[:most], [tiles.read(root, name) for name in cells.SPLITS])
    corrections.write(out, lines)
    names = of.names if of.one_class else ()
    storage.write_text(page, pages.suspects(shown, len(lines), found.source, names, out))
    rare = of.names[of.positive]
    of_rare = sum(bool(of.truth[one.row, of.positive]) for one in suspects)
    text = [
        f"{out}: {len(lines)} of {len(of.image_ids)} images of train and validation have labels that may be wrong",
        f"{of_rare} of them are among the {int(of.truth[:, of.positive].sum())} of {rare!r}; right labels of a rare "
        "class are often in the list, so look at each picture",
        f"probabilities: {found.source}",
        f"{page}: {len(shown)} of them to confirm in a browser; then run `counterpoise suspects --apply confirmed.csv`",
    ]
    if left_out := [name for name, is_counted in zip(of.names, of.counted, strict=True) if not is_counted]:
        text.append(f"too rare to be examined: {', '.join(left_out)}")
    return "\n".join(text)


def _apply(root: Path, content: Mapping[str, Any], confirmed: Path, given: str | None) -> str:
    from counterpoise.artifacts import classes, manifest
    from counterpoise.labelling import corrections

    data = content["ingest"]["root"]
    out = Path(given) if given is not None else root / data / "corrected.csv"
    _check_place(root, out, data)
    _outputs.check_file("--out", out, [".csv"], new=True)
    images = manifest.read(root)
    found = corrections.read(confirmed, images, classes.read(root).names, content["task"])
    if not found:
        raise InputError(f"{confirmed}: no row is confirmed; write 'yes' into column 'confirmed' where you agree")
    table = corrections.corrected(images, found)
    corrections.write_labels(out, table)
    return "\n".join(
        [
            f"{out}: labels of all {len(images)} images, {len(found)} of them corrected",
            *_settings(content, out.resolve().relative_to((root / data).resolve()).as_posix(), table[0]),
        ]
    )


def _check_place(root: Path, out: Path, data: str) -> None:
    """Refuse a table that source `csv` could not read, or that stage `demo` would remove."""
    if Path(data) == Path(DEMO):
        raise InputError(
            f"ingest.root is {DEMO!r}, which stage `demo` writes again; copy it to a folder of your own, such as "
            "data/raw/demo, set ingest.root to that, run `dvc repro`, and apply the table then"
        )
    if not out.resolve().is_relative_to((root / data).resolve()):
        raise InputError(f"--out {out}: expected a file below {data}, ingest.root, where ingest.source csv reads it")


def _settings(content: Mapping[str, Any], file: str, header: tuple[str, ...]) -> list[str]:
    """Say what to set so that the table is read, as lines of `params.yaml`."""
    own = {
        "file": file,
        "image_column": "image",
        "label_column": "label",
        "label_columns": "[]",
        "label_separator": "''" if tasks.find(content["task"]).fault_of_labels(("a", "b")) else "'|'",
        "join_columns": "[]",
        "group_column": "group" if "group" in header else "''",
        "split_column": "split" if "split" in header else "''",
        "delimiter": "','",
    }
    lines = ["set in params.yaml, then run `dvc repro`:", "  ingest:", "    source: csv"]
    lines += ["    exclude: []"] if content["ingest"]["exclude"] else []
    return [*lines, "    sources:", "      csv:", *(f"        {name}: {value}" for name, value in own.items())]
