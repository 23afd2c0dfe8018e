"""Print what `study/summary.json` says of the arms of a study, as rows of a measurement.

`python docs/study_rows.py > docs/measurements/study.csv`, and then `python docs/tables.py`, show the results of the
default study in the pages of losses and remedies: the rows are remedies, and `study/leaderboard.md` has all arms, also
those that are no remedy. Of a study of detectors, all arms that were trained are rows:
`python docs/study_rows.py FOLDER/study/summary.json > docs/measurements/detection_study.csv`.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

SUMMARY = Path(__file__).parents[1] / "study" / "summary.json"
HEAD = """\
# Printed by `python docs/study_rows.py` from study/summary.json, which `counterpoise study` wrote.
# `difference` is that of the declared figure, arm minus control, with an interval that holds the truth for all
# arms together with 95 %. The other values are means over all folds and repeats.
"""
HEAD_OF_BOXES = """\
# Printed by `python docs/study_rows.py` from the study/summary.json of a study of detectors, which docs/study.md shows.
# `difference` is that of {figure}, arm minus control, with an interval that holds the truth for all {comparisons} arms
# together with 95 %. `ap50` and `ap` are means over {folds} folds, {repeats} time(s).
"""
OTHERS = {
    "cross_entropy": "none",
    "cross_entropy_adamw": "none, by `adamw`",
    "weights_balanced": "weighting.scheme: balanced",
    "weights_square_root": "weighting.scheme: square_root",
    "weights_effective_number": "weighting.scheme: effective_number",
    "weights_one_minus_share": "weighting.scheme: one_minus_share",
    "weights_deferred": "weighting.defer_frac, 0.5 of balanced",
    "over": "oversample.strategy: over",
    "under": "oversample.strategy: under",
    "square_root": "oversample.strategy: square_root",
    "repeat_factor": "oversample.strategy: repeat_factor",
    "smote": "oversample.synthetic: smote",
    "borderline_smote": "oversample.synthetic: borderline_smote",
    "over_deferred": "oversample.defer_frac, 0.5 of over",
    "progressive": "train.sampler: progressive",
    "mixup": "train.mix: mixup",
    "tau_normalised": "train.classifier: tau_normalised",
}
"""Arm -> remedy, as its section is called. Other arms that have the name of their loss are in the group of losses."""


def is_of_boxes(summary: Mapping[str, Any]) -> bool:
    """Say whether a study is one of detectors."""
    return any("ap50" in arm["figures"].get("raw", {}) for arm in summary["arms"].values())


def rows(summary: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """List a row for each loss and each remedy; of detectors, for each arm that was trained."""
    return of_boxes(summary) if is_of_boxes(summary) else of_remedies(summary)


def compared(arm: Mapping[str, Any]) -> dict[str, str]:
    """Write what an arm was compared with, and what was found; empty for a control and without a verdict."""
    numbers = {key: f"{arm[key]:.3f}" if arm.get("word") else "" for key in ("difference", "low", "high")}
    return {
        "control": f"`{arm['control']}`" if arm["control"] else "",
        "verdict": arm.get("word") or "",
        "difference": numbers["difference"],
        "difference_low": numbers["low"],
        "difference_high": numbers["high"],
    }


def of_remedies(summary: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """List a row for each loss and each remedy of a study of images."""
    for name, arm in summary["arms"].items():
        groups = [("others", OTHERS[name])] if name in OTHERS else []
        groups += [("losses", name)] if arm["changes"]["loss"] == name else []
        for group, remedy in groups:
            raw, calibrated, decided = (arm["figures"][view] for view in ("raw", "calibrated", "decided"))
            yield {
                "group": group,
                "remedy": remedy,
                **compared(arm),
                "balanced_accuracy_raw": f"{raw['balanced_accuracy']:.3f}",
                "balanced_accuracy_decided": f"{decided['balanced_accuracy']:.3f}",
                "average_precision": f"{calibrated['average_precision']:.3f}",
                "log_loss": f"{calibrated['log_loss']:.3f}",
            }


def of_boxes(summary: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """List a row for each trained arm of a study of detectors."""
    for name, arm in summary["arms"].items():
        raw = arm["figures"].get("raw")
        if raw:
            yield {"arm": name, **compared(arm), **{key: f"{raw[key]:.3f}" for key in ("ap50", "ap")}}


def write(out: TextIO, path: Path = SUMMARY) -> None:
    """Write the file."""
    summary = json.loads(path.read_text(encoding="utf-8"))
    listed = list(rows(summary))
    out.write(HEAD_OF_BOXES.format_map(summary) if is_of_boxes(summary) else HEAD)
    writer = csv.DictWriter(out, list(listed[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(listed)


if __name__ == "__main__":
    write(sys.stdout, *map(Path, sys.argv[1:2]))
