"""Fail if a headline figure left the committed one by more than noise between machines can explain.

Usage: `python .ci/compare.py COMMITTED REBUILT`, two versions of `reports/metrics.json`. A figure may move by the
larger of 0.03 and what two test images of the class that it speaks of can move, 2 / n of that class for its recall,
precision, average precision and ROC AUC; counts may not move at all.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ALLOWED = 0.03
OF_THE_POSITIVE = ("average_precision", "precision", "recall", "roc_auc")
COUNTS = ("test_images", "test_positives")


def allowed(name: str, figures: dict[str, float]) -> float:
    """Say how far a figure may move."""
    if name in COUNTS:
        return 0.0
    return max(ALLOWED, 2 / figures["test_positives"] if name in OF_THE_POSITIVE else 0.0)


def main(committed: Path, rebuilt: Path) -> int:
    """Print every figure, old and new; return how many moved too far or are missing."""
    old, new = (
        {name: value for name, value in json.loads(path.read_text()).items() if isinstance(value, int | float)}
        for path in (committed, rebuilt)
    )
    failures = 0
    for name in sorted({*old, *new}):
        moved = abs(new[name] - old[name]) if name in old and name in new else float("inf")
        bound = allowed(name, old)
        failures += moved > bound
        verdict = "ok" if moved <= bound else "MOVED TOO FAR"
        print(f"{name:28s} {old.get(name)!s:>9s} -> {new.get(name)!s:>9s}  (may move by {bound:.3f})  {verdict}")
    return failures


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
