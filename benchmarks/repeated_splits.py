"""Does a weighted loss do more than move the threshold? Four variants on repeated splits of the built default problem.

Run `dvc repro` first, then, from the top of the repository, `python benchmarks/repeated_splits.py`, which takes a
minute. It reads `data/` and writes nothing: each split deals the same images anew, trains a plain and a weighted head
on the stored features, and decides on test

- plain cross-entropy by the most probable class, and by the rule `balanced`;
- weighted cross-entropy by the most probable class of its raw logits, and of the probabilities that the ledger
  corrects.

Logistic regression of scikit-learn on the same features and splits, with the C of ten that has the least (weighted)
log loss on validation and its prior corrected by train's shares, stands below as a check from outside. Printed are
balanced accuracy on test, its mean and standard error over the splits, and each split.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from tqdm import tqdm

from counterpoise import config, labels
from counterpoise.artifacts import splits
from counterpoise.study import experiment, shuffle_split

Floats = NDArray[np.float64]
Content = Mapping[str, Any]
Part = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Features (n, d) and classes (n,)."""
SPLITS = 5
VARIANTS = ("plain, most probable", "plain, balanced", "weighted, raw", "weighted, corrected")
INVERSE_PENALTIES = np.logspace(-4, 0.5, 10)
"""Values of scikit-learn's C that validation chooses from, for features scaled to unit variance."""


def balanced_accuracies(content: Content, data: experiment.Data, seed: int) -> Floats:
    """Train, decide and score once.

    Args:
        content: Parameters.
        data: One deal of the images.
        seed: Decides initialisation and order.

    Returns:
        (2, 4) balanced accuracy on test, in the order of `VARIANTS`: of the pipeline, and of logistic regression.
    """

    def scored(scheme: str) -> dict[str, float]:
        changes = {
            "loss": "cross_entropy",
            "weighting.scheme": scheme,
            "decide.calibrator": "temperature",
            "decide.rule": "balanced",
            "decide.target": "natural",
            "train.seed": seed,
        }
        outcome = experiment.run(experiment.changed(content, changes), data, seed)
        variants, targets = experiment.evaluate(outcome, "test")
        return {
            name: float(balanced_accuracy_score(targets, variant.decided.argmax(axis=1)))
            for name, variant in variants.items()
        }

    plain, weighted = scored("none"), scored("balanced")
    ours = [plain["calibrated"], plain["decided"], weighted["raw"], weighted["calibrated"]]
    parts = [features_and_targets(data, name) for name in splits.NAMES]
    return np.array([ours, logistic_regression(*parts)])


def features_and_targets(data: experiment.Data, name: str) -> Part:
    """Take the (n, d) features of a split, and the (n,) classes of its tiles."""
    split = data.splits[name]
    if split.features is None:
        raise SystemExit("logistic regression needs stored features; set model.freeze to 'backbone', run `dvc repro`")
    rows = np.flatnonzero(split.features.index["view"].to_numpy() == 0)
    return split.features.values[rows], labels.targets(split.tiles.table["labels"].tolist(), data.classes.names)


def logistic_regression(train: Part, val: Part, test: Part) -> list[float]:
    """Compute the same four figures with scikit-learn alone, tuned on validation."""
    prior = np.bincount(train[1]) / len(train[1])

    def probs(class_weight: str | None) -> Floats:
        weights = compute_sample_weight(class_weight, val[1])
        models = [
            make_pipeline(StandardScaler(), LogisticRegression(C=c, class_weight=class_weight, max_iter=2000))
            for c in INVERSE_PENALTIES
        ]
        values = [log_loss(val[1], model.fit(*train).predict_proba(val[0]), sample_weight=weights) for model in models]
        return np.asarray(models[int(np.argmin(values))].predict_proba(test[0]))

    plain, weighted = probs(None), probs("balanced")
    scores = (plain, plain / prior, weighted, weighted * prior)
    return [float(balanced_accuracy_score(test[1], score.argmax(axis=1))) for score in scores]


def main() -> None:
    """Print the balanced accuracy of each variant on each split, the mean, and its standard error."""
    root = Path.cwd()
    content, data, images = config.load(root), experiment.read(root, splits.NAMES), shuffle_split.read(root)
    rows = []
    for seed in tqdm(range(SPLITS), unit="split", file=sys.stderr):
        split_of = shuffle_split.shuffle_split(images, data.classes, content, seed, keep_test=False)
        rows.append(balanced_accuracies(content, shuffle_split.resplit(data, split_of), seed))
    print(f"balanced accuracy on test, {SPLITS} splits: mean, standard error, each split")
    for maker, values in zip(("this pipeline", "scikit-learn's logistic regression"), np.stack(rows, 1), strict=True):
        print(maker)
        for name, own in zip(VARIANTS, values.T, strict=True):
            error = own.std(ddof=1) / np.sqrt(SPLITS)
            print(f"  {name:22s} {own.mean():.3f} +- {error:.3f}   " + " ".join(f"{value:.3f}" for value in own))


if __name__ == "__main__":
    main()
