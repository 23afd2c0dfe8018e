"""`reports/metrics.json`: the headline figures on test, four significant digits, with intervals beside them.

At most 15 scalars are at the top, since `dvc metrics diff` shows a line for each; lists are ignored there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from counterpoise import storage

PATH = "reports/metrics.json"
SUMS = "reports/evaluate.sums"
MOST_SCALARS = 15


@dataclass(frozen=True)
class Metrics:
    """Headline figures.

    Attributes:
        figures: Name -> value; at most 15, finite. A figure that is undefined is left out and named in `notes`.
        intervals: Name -> (low, high) at 95 %, for each figure that is an estimate.
        notes: What a reader must know, such as resamples in which a class was absent.
    """

    figures: dict[str, float]
    intervals: dict[str, tuple[float, float]]
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
        notes = tuple(content.pop("notes"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise storage.ArtifactError(f"{PATH}: damaged: {error!r}") from error
    return Metrics(content, intervals, notes)


def _rounded(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.4g}")
