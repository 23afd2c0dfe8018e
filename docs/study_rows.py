"""Print the remedies of `study/summary.json` as rows of a measurement.

`python docs/study_rows.py > docs/measurements/study.csv`, and then `python docs/tables.py`, show the results of the
default study in the pages of losses and remedies. `study/leaderboard.md` has all arms, also those that are no remedy.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

SUMMARY = Path(__file__).parents[1] / "study" / "summary.json"
HEAD = (
    "# Printed by `python docs/study_rows.py` from study/summary.json, which `counterpoise study` wrote.",
    "# `difference` is that of the declared figure, arm minus control, with an interval that holds the truth for all",
    "# arms together with 95 %. The other values are means over all folds and repeats.",
)
COLUMNS = (
    "group",
    "remedy",
    "control",
    "verdict",
    "difference",
    "difference_low",
    "difference_high",
    "balanced_accuracy_raw",
    "balanced_accuracy_decided",
    "average_precision",
    "log_loss",
)
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


def rows(summary: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """List a row for each loss and each remedy."""
    for name, arm in summary["arms"].items():
        groups = [("others", OTHERS[name])] if name in OTHERS else []
        groups += [("losses", name)] if arm["changes"]["loss"] == name else []
        raw, calibrated, decided = (arm["figures"][view] for view in ("raw", "calibrated", "decided"))
        for group, remedy in groups:
            numbers = {key: f"{arm[key]:.3f}" if "word" in arm else "" for key in ("difference", "low", "high")}
            yield {
                "group": group,
                "remedy": remedy,
                "control": f"`{arm['control']}`" if arm["control"] else "",
                "verdict": arm.get("word", ""),
                "difference": numbers["difference"],
                "difference_low": numbers["low"],
                "difference_high": numbers["high"],
                "balanced_accuracy_raw": f"{raw['balanced_accuracy']:.3f}",
                "balanced_accuracy_decided": f"{decided['balanced_accuracy']:.3f}",
                "average_precision": f"{calibrated['average_precision']:.3f}",
                "log_loss": f"{calibrated['log_loss']:.3f}",
            }


def write(out: TextIO) -> None:
    """Write the file."""
    out.write("\n".join(HEAD) + "\n")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(json.loads(SUMMARY.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    write(sys.stdout)
