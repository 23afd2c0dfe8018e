"""`reports/plots/*.csv`: the tables behind the pictures of the page, of `dvc plots` and of the VS Code extension."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise import storage

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "reports/plots"
SUMS = f"{FOLDER}/evaluate.sums"
COLUMNS: dict[str, dict[str, type]] = {
    # One row per test image: what it is, and what was decided; for multilabel, of the class that matters and the rest.
    "confusion": {"actual": str, "decided": str},
    # The class that matters against the rest, by rising threshold on its probability.
    "precision_recall": {"recall": float, "precision": float, "threshold": float},
    # How often the most probable class is right (for multilabel: how often a label is there), by its probability; `way`
    # is raw or calibrated. `units` is the number of units (groups, near duplicates) that `count` images come from.
    "calibration": {
        "way": str,
        "predicted": float,
        "observed": float,
        "low": float,
        "high": float,
        "count": int,
        "units": int,
    },
    # One row per class and measure (precision, recall, average_precision); `count` is what the rate is a share of, from
    # `units` units. Empty cells say "undefined", or that there is no interval.
    "classes": {
        "class": str,
        "measure": str,
        "value": float,
        "low": float,
        "high": float,
        "count": int,
        "units": int,
        "no_skill": float,
    },
    # Each figure, raw, calibrated (to the target prior), and decided (by the rule as well).
    "scores": {"way": str, "figure": str, "value": float, "low": float, "high": float},
    # What a figure gained from one of these to the other on the same images, with the interval of that difference.
    "differences": {"figure": str, "before": str, "after": str, "value": float, "low": float, "high": float},
    # The class that matters at a share of the images: `place` is target, test or stated (evaluate.at_prevalence);
    # `way` is raw (expected by validation's counts, shown by test), expected, as it is, or re-decided for that share.
    "prevalence": {
        "place": str,
        "prevalence": float,
        "way": str,
        "figure": str,
        "value": float,
        "low": float,
        "high": float,
    },
    # The decision of the run on test images that are weighted to each share of the class that matters, by rising share:
    # what the slider of the page looks up. `figure` is one of `GRID_FIGURES`.
    "prevalence_grid": {"prevalence": float, "figure": str, "value": float, "low": float, "high": float},
    # Of each class, found boxes by falling threshold on the probability of being right, at an IoU of 0.5; no rows, here
    # and below, where labels have no boxes. At most 200 points of a class.
    "detection_pr": {"class": str, "recall": float, "precision": float, "threshold": float},
    # The same, with false alarms per image.
    "detection_froc": {"class": str, "false_alarms": float, "recall": float, "threshold": float},
    # Figures by class (empty: the mean over classes, or all boxes together) and by COCO's sizes; `objects` of that
    # class and size are in images of `units` units.
    "detection_sizes": {
        "class": str,
        "size": str,
        "measure": str,
        "value": float,
        "low": float,
        "high": float,
        "objects": int,
        "units": int,
    },
    # What is wrong with boxes that are decided for, by their class, and which objects are missed: number, in how many
    # images, of how many units.
    "detection_errors": {"class": str, "kind": str, "count": int, "images": int, "units": int},
}
GRID_FIGURES = ("precision", "false_alarms_per_found", "flagged_per_1000")
"""Figures of `prevalence_grid`, in their order."""
MAY_BE_UNDEFINED = ("value", "low", "high", "no_skill")


def write(root: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Check and write every table, numbers with six significant digits.

    Raises:
        storage.ArtifactError: A table is missing, unknown, or not as declared.
    """
    if set(tables) != set(COLUMNS):
        raise storage.ArtifactError(f"{FOLDER}: found tables {sorted(tables)}, expected {sorted(COLUMNS)}")
    with storage.replacing(root / FOLDER, folder=True, sums=root / SUMS) as folder:
        for name, table in sorted(tables.items()):
            path = folder / f"{name}.csv"
            storage.check_table(path, _filled(table), COLUMNS[name])
            table.to_csv(path, index=False, lineterminator="\n", encoding="utf-8", float_format="%.6g")


def read(root: Path, name: str) -> pd.DataFrame:
    """Read and check one table; what is undefined is NaN.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    import pandas as pd

    path = storage.verified(root / FOLDER / f"{name}.csv", root / SUMS)
    texts = [column for column, kind in COLUMNS[name].items() if kind is str]
    try:
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(texts, str),
            keep_default_na=False,
            na_values={column: [""] for column in MAY_BE_UNDEFINED},
        )
    except ValueError as error:
        raise storage.ArtifactError(f"{path} is no table: {error}; run `dvc repro`") from error
    floats = [column for column, kind in COLUMNS[name].items() if kind is float and column in table]
    try:
        table = table.astype(dict.fromkeys(floats, "float64"))
    except ValueError as error:
        raise storage.ArtifactError(f"{path}: columns {floats} should hold float: {error}") from error
    storage.check_table(path, _filled(table), COLUMNS[name])
    return table


def _filled(table: pd.DataFrame) -> pd.DataFrame:
    columns = [column for column in MAY_BE_UNDEFINED if column in table]
    return table.assign(**{column: table[column].fillna(0.0) for column in columns})
