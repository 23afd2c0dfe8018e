"""What more labels would bring: networks trained on parts of train, and a power law through their scores.

Trainings run in memory on the repository that `dvc repro` built; nothing is written into it. Whether to label more is
a choice, so that scores are those of validation: no file of the test split is read.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from counterpoise import config, labels, seeds, tasks
from counterpoise.artifacts.decision import Decision
from counterpoise.artifacts.predictions import Predictions
from counterpoise.calibration import prevalence
from counterpoise.config import InputError
from counterpoise.decision import rules
from counterpoise.evaluation import tasks as evaluated
from counterpoise.evaluation.scores import Variant
from counterpoise.metrics import intervals, ranking
from counterpoise.stages import split
from counterpoise.study import dvc_lock, experiment, learning_curve_report
from counterpoise.study.experiment import Data, Draws, Outcome
from counterpoise.study.learning_curve_report import LearningCurves

TRAIN_SIZES = (Fraction(1, 8), Fraction(1, 4), Fraction(1, 2), Fraction(1))
"""Shares of train that are learned from, unless others are given."""
Floats = NDArray[np.float64]
Scores = dict[str, Floats]
"""Name -> (1 + b,) a score on the images of validation, then on each of b resamples of them."""


def read(root: Path, content: Mapping[str, Any]) -> Data:
    """Read what the pipeline built.

    Raises:
        InputError: The problem is of boxes.
        ArtifactError: It was not run yet, or with other parameters in front of training than `content` holds.
    """
    if tasks.find(content["task"]).HAS_BOXES:
        raise InputError(
            f"{config.PATH}: task is {content['task']!r}, but the learning curve is of scores of whole images, and not "
            "of boxes; `cp presets/study/detection.yaml study/params.yaml` and `counterpoise study --arms "
            "half_of_labels` say what half of the scenes costs"
        )
    dvc_lock.check(root, content, ("ingest", "split", "tile", "embed"), free=split.ONLY_CHECKED)
    return experiment.read(root, ("train", "val"))


def measure(data: Data, content: Mapping[str, Any], train_sizes: Sequence[Fraction], replicates: int) -> LearningCurves:
    """Train several times at each size, and fit the curves.

    Args:
        data: Artifacts of train and val.
        content: Checked parameters.
        train_sizes: Shares of train; at least three different ones, in (0, 1].
        replicates: Trainings at each of them, at least 2.

    Raises:
        InputError: Sizes or replicates are too few or out of range, or a training diverged.
    """
    sizes = sorted(set(train_sizes))
    if len(sizes) < 3 or not 0 < sizes[0] <= sizes[-1] <= 1:
        listed = ", ".join(map(str, sizes)) or "none"
        raise InputError(f"--fractions: found {listed}; expected at least three different numbers in (0, 1]")
    if replicates < 2:
        raise InputError(
            f"--replicates: found {replicates}; expected at least 2, since their differences give the interval"
        )
    content = without_targets_from_elsewhere(content)
    scores, counts, decision = _train_all(data, content, sizes, replicates)
    rng = seeds.generator(content["seed"], "replicates of the learning curve")
    curves = [learning_curve_report.curve(name, sizes, values, rng) for name, values in scores.items()]
    images, positives = counts.mean(axis=0).T.tolist()
    all_images, all_positives = count_images(data.splits["train"].tiles.table, decision)
    return LearningCurves(
        train_sizes=tuple(sizes),
        images=(*images, 2 * all_images),
        positives=(*positives, 2 * all_positives),
        positive=decision.positive,
        prevalence=decision.target[decision.classes.index(decision.positive)],
        resamples=content["evaluate"]["resamples"],
        curves=tuple(curves),
    )


def without_targets_from_elsewhere(content: Mapping[str, Any]) -> dict[str, Any]:
    """Decide for the natural prior where the target is estimated from other images, and for no other prevalence."""
    changes: dict[str, Any] = {"evaluate.at_prevalence": []}
    if content["decide"]["target"] == "estimated":
        print(
            "decide.target is 'estimated', which the learning curve does not use; figures are for the natural shares",
            file=sys.stderr,
        )
        changes["decide.target"] = "natural"
    return experiment.changed(content, changes)


def _train_all(
    data: Data, content: Mapping[str, Any], sizes: Sequence[Fraction], replicates: int
) -> tuple[Scores, Floats, Decision]:
    """Train at every size as often as there are replicates.

    Returns:
        Name -> (r, f, 1 + b) scores; (r, f, 2) images learned from, and how many of them have the class that matters;
        and the last decision.
    """
    runs = [(replicate, size) for replicate in range(replicates) for size in reversed(sizes)]
    scores: list[Scores] = []
    counts, weights, begun_s = [], np.empty((0, 0), dtype=np.int32), time.monotonic()
    for number, (replicate, size) in enumerate(runs):
        draws, outcome = learn(data, content, size, replicate)
        val, decision = outcome.predictions["val"], outcome.decision
        if number == 0:
            rng = seeds.generator(content["seed"], "resamples")
            weights = intervals.bootstrap_weights(val.groups, resamples=content["evaluate"]["resamples"], rng=rng)
            _announce(time.monotonic() - begun_s, len(runs) - 1)
        scores.append(validation_scores(val, decision, weights))
        counts.append(count_images(draws.tiles.table, decision))
    shape = (replicates, len(sizes), -1)
    arrays = {name: np.array([row[name] for row in scores]).reshape(shape)[:, ::-1] for name in scores[0]}
    return arrays, np.array(counts, dtype=np.float64).reshape(shape)[:, ::-1], decision


def learn(data: Data, content: Mapping[str, Any], train_size: Fraction, replicate: int) -> tuple[Draws, Outcome]:
    """Train on a part of train, predict validation, and decide on it.

    Args:
        data: Artifacts of train and val.
        content: Checked parameters.
        train_size: Share of train, in (0, 1].
        replicate: Decides which part, its draws, initialisation and order.
    """
    seed = seeds.derive(content["seed"], "learning curve", replicate)
    part = experiment.changed(content, {"train.fraction": float(train_size)})
    draws = experiment.draw(part, data, seed)
    changes = as_many_steps(content["train"], train_size, len(draws.table))
    changes["train.seed"] = seeds.derive(content["train"]["seed"], "learning curve", replicate)
    return draws, experiment.learn(experiment.changed(content, changes), data, draws)


def as_many_steps(train: Mapping[str, Any], train_size: Fraction, draws: int) -> dict[str, Any]:
    """Return the parameters by which a part of train takes as many steps as the whole, but for rounding to epochs.

    Epochs, and all that is counted in them, are as many more as each has fewer steps: else what few labels lack, and
    what few steps lack, could not be distinguished.

    Args:
        train: Section `train`.
        train_size: Share of train, in (0, 1].
        draws: Examples in an epoch of this part.

    Returns:
        Dotted name -> value.

    Example:
        >>> train = {"batch_size": 64, "epochs": 6, "patience": 10, "step_epochs": 3, "warmup_epochs": 1.0}
        >>> as_many_steps(train, Fraction(1, 4), 40)["train.epochs"]  # 1 step an epoch, where the whole has 3
        18
    """
    steps, steps_of_all = (-(-count // train["batch_size"]) for count in (draws, round(draws / train_size)))
    longer = steps_of_all / steps
    counted = {f"train.{name}": round(train[name] * longer) for name in ("epochs", "patience", "step_epochs")}
    return {**counted, "train.warmup_epochs": train["warmup_epochs"] * longer}


def validation_scores(val: Predictions, decision: Decision, weights: NDArray[np.int32]) -> Scores:
    """Compute the scores of validation.

    Args:
        val: Raw logits.
        decision: Made on the same images.
        weights: (b, n) how often each resample holds each image.

    Returns:
        Of one class per image balanced accuracy under the rule, for multilabel mean average precision at validation's
        shares; then average precision of the class that matters, at its share in the target.
    """
    probs = rules.probabilities(decision, val.logits)
    truth = labels.indicators(val.labels, val.classes)
    index = val.classes.index(decision.positive)

    def with_resamples(score: Callable[[NDArray[np.int32] | None], object]) -> Floats:
        return np.concatenate([np.atleast_1d(np.asarray(score(given), dtype=np.float64)) for given in (None, weights)])

    task, variant = evaluated.find(decision.task), Variant(probs, rules.decided(decision, probs))
    whole = with_resamples(lambda w: task.learning_curve(variant, truth, w))
    positives, share = truth[:, index], decision.target[index]
    ranked = with_resamples(
        lambda w: ranking.average_precision(positives, probs[:, index], prevalence.importance(positives, share, w))
    )
    return {task.LEARNING_CURVE: whole, f"average precision of {decision.positive}": ranked}


def count_images(table: pd.DataFrame, decision: Decision) -> tuple[int, int]:
    """Count the images of an index of tiles, and those that have the class that matters."""
    images = table.drop_duplicates("image_id")
    truth = labels.indicators(images["labels"].tolist(), decision.classes)
    return len(images), int(truth[:, decision.classes.index(decision.positive)].sum())


def _announce(seconds: float, left: int) -> None:
    print(f"one training took {seconds:.1f} s; {left} more, about {seconds * left / 60:.1f} min", file=sys.stderr)
