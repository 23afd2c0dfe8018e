"""Does a weighted loss do more than move the threshold? Four ways on repeated splits of the built default problem.

Run `dvc repro` first, then `python benchmarks/repeated_splits.py`. It reads `data/`, writes nothing, and composes the
pure functions of the stages: each split deals the same images anew, trains a plain and a weighted head on the stored
features, and decides on test

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
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from counterpoise import config, figures, labels, loading, objectives
from counterpoise.artifacts import classes, features, manifest, splits, thumbnails
from counterpoise.stages import decide, oversample, predict, split, train

WAYS = ("plain, most probable", "plain, balanced", "weighted, raw", "weighted, corrected")
INVERSE_PENALTY = 0.01
"""scikit-learn's C, for features scaled to unit variance."""
Floats = NDArray[np.float64]


def balanced_accuracies(root: Path, seed: int) -> Floats:
    """Split, train, decide and score once.

    Args:
        root: A repository in which the default problem is built, with one tile per image.
        seed: Decides split, initialisation and order.

    Returns:
        (2, 4) balanced accuracy on test, in the order of `WAYS`: of the pipeline, and of logistic regression.
    """
    table, found = manifest.read(root), classes.read(root)
    stored = [features.read(root, name) for name in splits.NAMES]
    values = np.concatenate([part.values for part in stored if part])
    place = {tile: row for row, tile in enumerate(tile for part in stored if part for tile in part.index["tile_id"])}
    table = table[table["image_id"].isin(place)].reset_index(drop=True)
    pictures = thumbnails.read(root)[np.flatnonzero(manifest.read(root)["image_id"].isin(place))]
    params = config.read(root, split.Params).split
    units, crossing = split.find_units(table, pictures, params.duplicates)
    copies = np.arange(len(table))
    assigned = split.assign(table, found, units, crossing, copies, params, seed).splits
    tile_table = table[["image_id", "labels"]].assign(tile_id=table["image_id"])
    parts = {name: tile_table[(assigned["split"] == name).to_numpy()].reset_index(drop=True) for name in splits.NAMES}
    draws, opened = oversample.draw(parts["train"], found, config.read(root, oversample.Params).oversample, seed)

    def examples(name: str) -> train.Examples:
        tiles = draws["tile_id"] if name == "train" else parts[name]["tile_id"]
        label = dict(zip(parts[name]["tile_id"], parts[name]["labels"], strict=True))
        rows = np.array([place[tile] for tile in tiles])
        targets = labels.targets([label[tile] for tile in tiles], found.names)
        return train.Examples(loading.FeatureInputs(values, rows), torch.from_numpy(targets))

    def scored(scheme: str, rule: str) -> dict[str, float]:
        base = config.read(root, train.Params)
        settings = base.model_copy(
            update={
                "loss": "cross_entropy",
                "weighting": base.weighting.model_copy(update={"scheme": scheme}),
                "train": base.train.model_copy(update={"seed": seed}),
            }
        )
        goal, ledger = objectives.build(opened, "cross_entropy", settings.losses["cross_entropy"], settings.weighting)
        bias = objectives.initial_bias(opened, ledger)
        network = train.build(settings, len(found.names), values.shape[1], bias)
        fitted = train.fit(network, examples("train"), examples("val"), goal, settings)
        network.load_state_dict(fitted.weights)
        how = config.read(root, predict.Params)
        names = {name: dict.fromkeys(parts[name]["image_id"], "") for name in ("val", "test")}
        val, test = (
            predict.fold(
                parts[name], predict.apply(network, examples(name).inputs, how), names[name], found.names, "mean"
            )
            for name in ("val", "test")
        )
        how_to_decide = config.read(root, decide.Params)
        chosen = decide.choose(
            val,
            opened,
            ledger,
            how_to_decide.decide.model_copy(update={"calibrator": "temperature", "rule": rule, "target": "natural"}),
            how_to_decide.evaluate,
        )
        targets = labels.targets(test.labels, found.names)
        return {
            name: float(balanced_accuracy_score(targets, way.decided.argmax(axis=1)))
            for name, way in figures.ways(test.logits.astype(np.float64), chosen).items()
        }

    def features_and_targets(name: str) -> tuple[Floats, NDArray[np.int64]]:
        rows = [place[tile] for tile in parts[name]["tile_id"]]
        return values[rows], labels.targets(parts[name]["labels"].tolist(), found.names)

    plain, weighted = scored("none", "balanced"), scored("balanced", "balanced")
    ours = [plain["calibrated"], plain["decided"], weighted["raw"], weighted["calibrated"]]
    return np.array([ours, logistic_regression(*features_and_targets("train"), *features_and_targets("test"))])


def logistic_regression(
    train_features: Floats, train_targets: NDArray[np.int64], test_features: Floats, test_targets: NDArray[np.int64]
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
    root = Path.cwd()
    found = np.stack([balanced_accuracies(root, seed) for seed in tqdm(range(repeats), unit="split", file=sys.stderr)])
    print(f"balanced accuracy on test, {repeats} splits: mean, standard error, each split")
    for number, maker in enumerate(("this pipeline", "scikit-learn's logistic regression")):
        print(maker)
        for name, its in zip(WAYS, found[:, number].T, strict=True):
            error = its.std(ddof=1) / np.sqrt(repeats)
            print(f"  {name:22s} {its.mean():.3f} +- {error:.3f}   " + " ".join(f"{value:.3f}" for value in its))


if __name__ == "__main__":
    main()
