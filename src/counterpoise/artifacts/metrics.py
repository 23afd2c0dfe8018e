"""`reports/metrics.json`: the headline figures on test, four significant digits, with intervals beside them.

At most 15 scalars are at the top, since `dvc metrics diff` shows a line for each; lists are ignored there, which is why
numbers of units are in lists.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoise import storage
from counterpoise.artifacts import classes, splits, tiles
from counterpoise.config import yaml12

PATH = "reports/metrics.json"
SUMS = "reports/evaluate.sums"
MOST_SCALARS = 15
ROUGH_UNITS = 5
"""Figures of a class that rest on fewer units are called rough, and the report does not compare them."""
LOCK = "dvc.lock"
TEST_TILES = tiles.path("test")
CAUSES = (splits.PATH, classes.PATH)
"""Files that change where other images, or other labels of them, are in test."""


@dataclass(frozen=True)
class Metrics:
    """Headline figures.

    Attributes:
        figures: Name -> value; at most 15, finite. A figure that is undefined is left out and named in `notes`.
        intervals: Name -> (low, high) at 95 %, for each figure that is an estimate, unless there are too few units.
        supports: `test_images` and `test_positives` -> number of these images, and of the units that they come from.
        notes: What a reader must know, such as why a figure has no interval.
    """

    figures: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    supports: dict[str, tuple[int, int]]
    notes: tuple[str, ...]


def write(root: Path, metrics: Metrics) -> None:
    """Round, check and write the figures.

    Raises:
        storage.ArtifactError: There are more than 15 figures, or an interval belongs to none.
    """
    if len(metrics.figures) > MOST_SCALARS:
        raise storage.ArtifactError(f"{PATH}: {len(metrics.figures)} figures; at most {MOST_SCALARS} fit a diff")
    orphans = sorted(set(metrics.intervals) - set(metrics.figures))
    if orphans:
        raise storage.ArtifactError(f"{PATH}: intervals without a figure: {orphans}")
    content: dict[str, object] = {name: _rounded(value) for name, value in metrics.figures.items()}
    content["intervals"] = {name: [_rounded(low), _rounded(high)] for name, (low, high) in metrics.intervals.items()}
    content["supports"] = {name: list(support) for name, support in metrics.supports.items()}
    content["notes"] = list(metrics.notes)
    storage.write_json(root / PATH, content, root / SUMS)


def read(root: Path) -> Metrics:
    """Read the figures.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    content = storage.read_json(root / PATH, root / SUMS)
    try:
        intervals = {name: (low, high) for name, (low, high) in content.pop("intervals").items()}
        supports = {name: (images, units) for name, (images, units) in content.pop("supports").items()}
        notes = tuple(content.pop("notes"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise storage.ArtifactError(f"{PATH}: damaged: {error!r}") from error
    return Metrics(content, intervals, supports, notes)


def compare_with_commit(root: Path, metrics: Metrics) -> str | None:
    """Say that the figures of the last commit, with which `dvc metrics diff` compares, are of other test images.

    They are if the counts of test images differ; or if by `dvc.lock` both the tiles of test and what they follow from
    (split or classes) differ. Tiles of another size alone show the same images.

    Args:
        root: The repository.
        metrics: The figures of this run.

    Returns:
        A clause with the counts of both; None where there is no git, no commit, or no figures in it.
    """
    before, now = _mapping(_committed(root, PATH)), metrics.figures
    if not before:
        return None
    locked, committed = _hashes(_read(root / LOCK)), _hashes(_committed(root, LOCK))
    changed = {path for path in locked if committed.get(path, locked[path]) != locked[path]}
    moved = TEST_TILES in changed and not changed.isdisjoint(CAUSES)
    counts = [[figures.get(name) for name in ("test_images", "test_positives")] for figures in (before, now)]
    if not moved and counts[0] == counts[1]:
        return None
    (images_before, positives_before), (images, positives) = counts
    return (
        f"the last commit has figures of other test images: {images_before}, of which {positives_before} show the "
        f"class that matters; now {images} and {positives}"
    )


def _committed(root: Path, path: str) -> str:
    """Read a file of the last commit; empty where there is none."""
    command = ["git", "show", f"HEAD:./{path}"]
    try:
        return subprocess.run(command, cwd=root, capture_output=True, text=True, encoding="utf-8", check=True).stdout
    except (OSError, subprocess.CalledProcessError, UnicodeDecodeError):
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _mapping(text: str) -> dict[str, Any]:
    try:
        content = yaml12.read(text)  # JSON is YAML
    except yaml12.RefusedError:
        return {}
    return content if isinstance(content, dict) else {}


def _hashes(text: str) -> dict[str, str]:
    """Read the hash of each output from the text of `dvc.lock`; empty where it is none."""
    try:
        stages = _mapping(text)["stages"].values()
        return {out["path"]: out["md5"] for stage in stages for out in stage["outs"]}
    except (KeyError, TypeError, AttributeError):
        return {}


def _rounded(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.4g}")
