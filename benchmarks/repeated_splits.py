"""Does a weighted loss do more than move the threshold? Four ways on repeated splits of the built default problem.

Run `dvc repro` first, then `python benchmarks/repeated_splits.py`. It reads `data/` and writes nothing: each split
deals the same images anew, trains a plain and a weighted head on the stored features, and decides on test

- plain cross-entropy by the most probable class, and by the rule `balanced`;
- weighted cross-entropy by the most probable class of its raw logits, and of the probabilities that the ledger
  corrects.

Logistic regression of scikit-learn on the same features and splits, its prior corrected by train's shares, stands
below as a check from outside.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from replicates import Floats, Problem

WAYS = ("plain, most probable", "plain, balanced", "weighted, raw", "weighted, corrected")
INVERSE_PENALTY = 0.01
"""scikit-learn's C, for features scaled to unit variance."""


def balanced_accuracies(problem: Problem, seed: int) -> Floats:
    """Split, train, decide and score once.

    Args:
        problem: As it was built.
        seed: Decides split, initialisation and order.

    Returns:
        (2, 4) balanced accuracy on test, in the order of `WAYS`: of the pipeline, and of logistic regression.
    """
    parts = problem.deal(seed, keep_test=False)

    def scored(scheme: str) -> dict[str, float]:
        changes = {
            "loss": "cross_entropy",
            "weighting.scheme": scheme,
            "decide.calibrator": "temperature",
            "decide.rule": "balanced",
            "decide.target": "natural",
        }
        ways, targets = problem.ways(parts, seed, changes)
        return {name: float(balanced_accuracy_score(targets, way.decided.argmax(axis=1))) for name, way in ways.items()}

    plain, weighted = scored("none"), scored("balanced")
    ours = [plain["calibrated"], plain["decided"], weighted["raw"], weighted["calibrated"]]
    train, test = (problem.features_and_targets(parts[name]) for name in ("train", "test"))
    return np.array([ours, logistic_regression(*train, *test)])


def logistic_regression(
    train_features: NDArray[np.float32],
    train_targets: NDArray[np.int64],
    test_features: NDArray[np.float32],
    test_targets: NDArray[np.int64],
) -> list[float]:
    """Compute the same four figures with scikit-learn alone."""
    prior = np.bincount(train_targets) / len(train_targets)

    def probs(class_weight: str | None) -> Floats:
        model = LogisticRegression(C=INVERSE_PENALTY, class_weight=class_weight, max_iter=2000)
        fitted = make_pipeline(StandardScaler(), model).fit(train_features, train_targets)
        return np.asarray(fitted.predict_proba(test_features))

    plain, weighted = probs(None), probs("balanced")
    scores = (plain, plain / prior, weighted, weighted * prior)
    return [float(balanced_accuracy_score(test_targets, score.argmax(axis=1))) for score in scores]


def main(repeats: int = 5) -> None:
    """Print the balanced accuracy of each way on each split, the mean, and its standard error."""
    problem = Problem(Path.cwd())
    found = np.stack(
        [balanced_accuracies(problem, seed) for seed in tqdm(range(repeats), unit="split", file=sys.stderr)]
    )
    print(f"balanced accuracy on test, {repeats} splits: mean, standard error, each split")
    for number, maker in enumerate(("this pipeline", "scikit-learn's logistic regression")):
        print(maker)
        for name, its in zip(WAYS, found[:, number].T, strict=True):
            error = its.std(ddof=1) / np.sqrt(repeats)
            print(f"  {name:22s} {its.mean():.3f} +- {error:.3f}   " + " ".join(f"{value:.3f}" for value in its))


if __name__ == "__main__":
    main()
