"""What the check of an estimated target notices, and what it cannot: simulations whose truth is known.

    python benchmarks/label_shift.py [--repetitions N]

Validation has 15 % positives, the 3,000 unlabelled images have 5 %. Scores are gaussian, with a distance of 1.5
standard deviations between positives and negatives (ROC AUC 0.86). The model is overconfident, and `temperature`
calibrates it on validation. Each world changes what unlabelled images look like: nothing, all scores, those of one
class, or their spread. Printed are, over N runs (400 take three minutes), the share that the former check (bins) and
the present one (Anderson and Darling's statistic) refuse at level 0.01, the mean estimate, and how often its 95 %
interval contains the truth.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc, logit

from counterpoise.calibration import calibrators, label_shift

Floats = NDArray[np.float64]
HERE, THERE, UNLABELLED, DISTANCE, OVERCONFIDENT = 0.15, 0.05, 3000, 1.5, 1.5
LEVEL = 0.01


class World(NamedTuple):
    """How scores of unlabelled images differ from those of validation.

    Attributes:
        shift: Added to all scores, in standard deviations.
        shift_negatives: Added to scores of negatives.
        strength: Factor of the distance of positives.
        spread: Factor of the standard deviation.
    """

    shift: float = 0.0
    shift_negatives: float = 0.0
    strength: float = 1.0
    spread: float = 1.0


WORLDS = {
    "only shares": World(),
    "all scores +0.15": World(shift=0.15),
    "all scores +0.3": World(shift=0.3),
    "all scores -0.3": World(shift=-0.3),
    "negatives +0.3": World(shift_negatives=0.3),
    "spread x 1.2": World(spread=1.2),
    "positives 50 %": World(strength=0.5),
    "positives 150 %": World(strength=1.5),
}


class Figures(NamedTuple):
    """Over all runs: shares refused by both checks, the mean estimate, the share of intervals that cover."""

    refused_before: float
    refused: float
    estimate: float
    covered: float


def simulate(world: World, validation: int, repetitions: int) -> Figures:
    """Estimate and check in one world."""
    return Figures(*np.mean([_run(world, validation, seed) for seed in range(repetitions)], axis=0).tolist())


def _run(world: World, validation: int, seed: int) -> tuple[bool, bool, float, bool]:
    rng = np.random.default_rng(seed)
    targets = (np.arange(validation) < round(HERE * validation)).astype(np.int64)
    there = rng.random(UNLABELLED) < THERE
    scores = rng.normal(size=validation) + DISTANCE * targets
    unlabelled = world.spread * rng.normal(size=UNLABELLED) + world.shift
    unlabelled += np.where(there, DISTANCE * world.strength, world.shift_negatives)
    share = float(targets.mean())
    logits, elsewhere = (
        OVERCONFIDENT * (DISTANCE * values - DISTANCE**2 / 2 + logit(share))[:, None] for values in (scores, unlabelled)
    )
    fit = calibrators.of_task("multilabel").fit("temperature", logits, targets[:, None], np.zeros(1), min_positives=1)
    val, probs = (
        np.concatenate([1 - positive, positive], axis=1)
        for positive in (
            calibrators.apply(values, fit.scale, fit.bias, np.zeros(1), task="multilabel")
            for values in (logits, elsewhere)
        )
    )
    prior = np.array([1 - share, share])
    estimate = label_shift.estimate(probs, prior).prior
    groups = np.arange(validation).astype(str)
    check = label_shift.check(probs, val, targets, groups, prior, estimate)
    before = former(probs, val, targets, prior, estimate)
    covered = bool(check.low[1] <= THERE <= check.high[1])
    return before < LEVEL, check.p_value < LEVEL, float(estimate[1]), covered


def former(probs: Floats, val: Floats, targets: NDArray[np.int64], prior: Floats, estimate: Floats) -> float:
    """Compute the p-value of the former check of two classes: the shares of up to ten bins of the probability."""
    own = [targets == 0, targets == 1]
    ours, theirs = (label_shift.moved(values, prior, estimate) for values in (val, probs))
    to_shares = np.linalg.pinv(np.stack([ours[rows].mean(axis=0) for rows in own]))
    count = int(np.clip(min(rows.sum() for rows in own) // 30, 3, 10))
    edges = np.unique(np.quantile(np.concatenate([probs, val])[:, 1], np.linspace(0, 1, count + 1)[1:-1]))
    one, other = (np.eye(len(edges) + 1)[np.searchsorted(edges, values[:, 1])] for values in (probs, val))
    shares = np.stack([other[rows].mean(axis=0) for rows in own])
    root = np.sqrt(estimate @ shares)
    gaps = (one - theirs @ to_shares @ shares) / root
    samples = [np.cov(gaps, rowvar=False) / len(gaps)]
    for share, rows in zip(estimate, own, strict=True):
        left = (other[rows] - ours[rows] @ to_shares @ shares) / root
        samples.append(share**2 * np.cov(left, rowvar=False) / rows.sum())
    whole = sum(samples, np.zeros_like(samples[0]))
    sizes = [len(gaps), *(rows.sum() for rows in own)]
    known = sum(float((part**2).sum()) / (size - 1) for part, size in zip(samples, sizes, strict=True))
    mean = float(np.trace(whole))
    return float(fdtrc(mean**2 / (whole**2).sum(), mean**2 / known, (gaps.mean(axis=0) ** 2).sum() / mean))


def main() -> None:
    """Print a line for each world and size of validation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=400)
    repetitions = parser.parse_args().repetitions
    print(f"{repetitions} runs; the truth is {THERE}")
    print("validation  unlabelled images   refused before  refused  estimate  covered")
    for validation in (525, 2000):
        for name, world in WORLDS.items():
            found = simulate(world, validation, repetitions)
            print(
                f"{validation:10}  {name:17} {found.refused_before:16.3f} {found.refused:8.3f} "
                f"{found.estimate:9.3f} {found.covered:8.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
