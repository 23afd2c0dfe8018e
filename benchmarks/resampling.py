"""How long do intervals of many arms take: by influence values, by vectorised resamples, and by a loop of scikit-learn?

From the top of the repository, `python benchmarks/resampling.py` scores 20 made-up arms on 100,000 images of four
classes, with one core. A study uses influence values, which need no resamples; the vectorised resamples (2,000, the
same for all arms) check them. The loop of scikit-learn is measured on a few resamples of one arm, and its time for all
of them is extrapolated. The last column is the largest difference of standard errors of arms between resamples and
influence values, as a share.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

from counterpoise.engine.threads import one_thread
from counterpoise.metrics import confusion, influence, ranking
from counterpoise.metrics.intervals import bootstrap

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SHARES = (0.55, 0.25, 0.16, 0.04)
RARE = len(SHARES) - 1
CHUNK = 50
"""Resamples at a time, so that weights take 20 MB."""
LOOPED = 5
"""Resamples of one arm that the loop of scikit-learn takes."""


@dataclass(frozen=True)
class Arm:
    """Made-up answers of an arm: decisions, and scores of the rarest class."""

    decided: Ints
    scores: Floats


@dataclass(frozen=True)
class Figure:
    """A figure: its name, its values by weights (b, n), its influence values, and scikit-learn's with weights (n,)."""

    name: str
    resampled: Callable[[Ints, Arm, NDArray[np.int32]], Floats]
    influences: Callable[[Ints, Arm], Floats]
    looped: Callable[[Ints, Arm, NDArray[np.int32]], float]


def _balanced_accuracy(targets: Ints, arm: Arm, weights: NDArray[np.int32]) -> Floats:
    tables = confusion.confusion_matrix(targets, arm.decided, len(SHARES), weights)
    return np.asarray(confusion.balanced_accuracy(tables))


def _macro_f1(targets: Ints, arm: Arm, weights: NDArray[np.int32]) -> Floats:
    return np.asarray(
        confusion.macro_f1(confusion.confusion_matrix(targets, arm.decided, len(SHARES), weights)), dtype=np.float64
    )


FIGURES = (
    Figure(
        "balanced accuracy",
        _balanced_accuracy,
        lambda targets, arm: influence.balanced_accuracy(targets, arm.decided, len(SHARES)),
        lambda targets, arm, w: sklearn_metrics.balanced_accuracy_score(targets, arm.decided, sample_weight=w),
    ),
    Figure(
        "macro F1",
        _macro_f1,
        lambda targets, arm: influence.macro_f1(targets, arm.decided, len(SHARES)),
        lambda targets, arm, w: sklearn_metrics.f1_score(targets, arm.decided, average="macro", sample_weight=w),
    ),
    Figure(
        "average precision",
        lambda targets, arm, w: np.asarray(ranking.average_precision(targets == RARE, arm.scores, w)),
        lambda targets, arm: influence.average_precision(targets == RARE, arm.scores),
        lambda targets, arm, w: sklearn_metrics.average_precision_score(targets == RARE, arm.scores, sample_weight=w),
    ),
    Figure(
        "ROC AUC",
        lambda targets, arm, w: np.asarray(ranking.roc_auc(targets == RARE, arm.scores, w)),
        lambda targets, arm: influence.roc_auc(targets == RARE, arm.scores),
        lambda targets, arm, w: sklearn_metrics.roc_auc_score(targets == RARE, arm.scores, sample_weight=w),
    ),
)


def made_up(images: int, arms: int, rng: np.random.Generator) -> tuple[Ints, list[Arm]]:
    """Draw targets, and arms that share most of their mistakes."""
    targets = rng.choice(len(SHARES), size=images, p=SHARES)
    common = rng.normal(size=(images, len(SHARES))) + 1.5 * np.eye(len(SHARES))[targets]
    drawn = []
    for _ in range(arms):
        logits = common + 0.4 * rng.normal(size=common.shape)
        drawn.append(Arm(logits.argmax(axis=1), logits[:, RARE]))
    return targets, drawn


def by_influence(figure: Figure, targets: Ints, arms: Sequence[Arm]) -> tuple[Floats, float]:
    """Compute the standard error of each arm from influence values; and the seconds."""
    begun_s = time.perf_counter()
    found = [np.sqrt((figure.influences(targets, arm) ** 2).sum()) for arm in arms]
    return np.array(found), time.perf_counter() - begun_s


def by_resamples(figure: Figure, targets: Ints, arms: Sequence[Arm], resamples: int, seed: int) -> tuple[Floats, float]:
    """Compute the standard error of each arm from resamples that all arms share; and the seconds."""
    begun_s, rng = time.perf_counter(), np.random.default_rng(seed)
    values = [np.empty((len(arms), 0))]
    for start in range(0, resamples, CHUNK):
        count = min(CHUNK, resamples - start)
        weights = bootstrap.bootstrap_weights(np.arange(len(targets)), resamples=count, rng=rng)
        values.append(np.stack([figure.resampled(targets, arm, weights) for arm in arms]))
    return np.concatenate(values, axis=1).std(axis=1, ddof=1), time.perf_counter() - begun_s


def by_loop(figure: Figure, targets: Ints, arms: Sequence[Arm], resamples: int, seed: int) -> float:
    """Extrapolate the seconds that a loop of scikit-learn takes for all arms and resamples."""
    weights = bootstrap.bootstrap_weights(np.arange(len(targets)), resamples=LOOPED, rng=np.random.default_rng(seed))
    begun_s = time.perf_counter()
    for row in weights:
        figure.looped(targets, arms[0], row)
    return (time.perf_counter() - begun_s) / LOOPED * resamples * len(arms)


def main() -> None:
    """Print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--arms", type=int, default=20)
    parser.add_argument("--resamples", type=int, default=2000)
    asked = parser.parse_args()
    targets, arms = made_up(asked.images, asked.arms, np.random.default_rng(0))
    print(f"{asked.arms} arms, {asked.images:,} images, {asked.resamples:,} resamples, one core; seconds", flush=True)
    print("figure              influence  resamples  scikit-learn loop  ratio  standard errors differ by")
    with one_thread():
        for figure in FIGURES:
            errors, own_s = by_influence(figure, targets, arms)
            resampled, resamples_s = by_resamples(figure, targets, arms, asked.resamples, seed=1)
            loop_s = by_loop(figure, targets, arms, asked.resamples, seed=1)
            apart = float(np.abs(resampled / errors - 1).max())
            print(
                f"{figure.name:18}  {own_s:9.2f}  {resamples_s:9.1f}  {loop_s:17.0f}  {loop_s / resamples_s:5.1f}  "
                f"{apart:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
