"""How often do the intervals of `counterpoise pr-comment` hold what a model truly gained over another?

From the top of the repository, `python benchmarks/paired.py`, which takes about a minute of one core, prints for
several sizes of test the share of 150 simulated pairs of models whose interval contains the true difference.

Scores of two models on the same images are normal, with a part in common: its share `alike` of the variance. Images of
the class that matters score 1.2 higher, those of the second model `gain` more. Images come alone, or in units of three.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counterpoise.evaluation import paired, tasks
from counterpoise.evaluation.scores import Truth, Variant
from counterpoise.metrics import ranking

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LIMIT = 1.2
SIZES = ((525, 21, 1), (1000, 8, 1), (525, 21, 3), (5000, 50, 1))
"""Images, units of the class that matters, images of a unit."""
MODELS = ((0.5, 0.0), (0.9, 0.0), (0.9, 0.4), (0.99, 0.0))
"""How alike two models are, and what the second one gains."""
PAIRS = 150
FIGURES = ("average_precision", "roc_auc", "recall", "precision", "balanced_accuracy")


def draw(
    rng: np.random.Generator, images: int, positives: int, size: int, alike: float, gain: float
) -> tuple[Integers, Integers, Floats, Floats]:
    """Draw classes, units, and the scores of two models."""
    units = images // size
    classes = np.repeat((np.arange(units) < positives).astype(np.int64), size)
    common = np.repeat(rng.normal(size=units), size) * 0.7 + rng.normal(size=len(classes)) * 0.7
    first, second = (
        np.sqrt(alike) * common + np.sqrt(1 - alike) * rng.normal(size=len(classes)) + (1.2 + more) * classes
        for more in (0.0, gain)
    )
    return classes, np.repeat(np.arange(units), size), first, second


def variants(scores: Floats) -> dict[str, Variant]:
    probs, decided = 1 / (1 + np.exp(2 - 2 * scores)), scores > LIMIT
    one = Variant(np.stack([1 - probs, probs], 1), np.stack([~decided, decided], 1))
    return {"raw": one, "calibrated": one, "decided": one}


def values(classes: Integers, scores: Floats) -> Floats:
    own, decided = classes == 1, scores > LIMIT
    found, passed = decided[own].mean(), (~decided[~own]).mean()
    ranked = [float(of(own, scores)) for of in (ranking.average_precision, ranking.roc_auc)]
    return np.array([*ranked, found, own[decided].mean(), (found + passed) / 2])


def main() -> None:
    task = tasks.find("multiclass")
    print("images positives size alike gain  " + "  ".join(FIGURES))
    for images, positives, size in SIZES:
        for alike, gain in MODELS:
            rng = np.random.default_rng(1)
            many = [draw(rng, images, positives, size, alike, gain) for _ in range(3000 if images < 2000 else 500)]
            true = np.mean([values(one[0], one[3]) - values(one[0], one[2]) for one in many], axis=0)
            covered = np.zeros(len(FIGURES))
            for _ in range(PAIRS):
                classes, units, first, second = draw(rng, images, positives, size, alike, gain)
                truth = Truth(np.eye(2, dtype=bool)[classes], units, 1, 100, 0)
                found = paired.gains((variants(first), variants(second)), truth, task)
                covered += [
                    found[name].low <= ends <= found[name].high for name, ends in zip(FIGURES, true, strict=True)
                ]
            shares = "  ".join(f"{share:{len(name)}.2f}" for name, share in zip(FIGURES, covered / PAIRS, strict=True))
            print(f"{images:6} {positives:9} {size:4} {alike:5} {gain:4}  {shares}", flush=True)


if __name__ == "__main__":
    main()
