"""What cells found, compared: the images and folds of a study, and the verdict on each arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise import labels, seeds, tasks
from counterpoise.config import InputError
from counterpoise.evaluation.scores import Variant
from counterpoise.metrics import probability
from counterpoise.study import experiment, figures, folds, verdicts
from counterpoise.study.arms import Arm, Study
from counterpoise.study.cells import VIEWS, Cell, Tested
from counterpoise.study.experiment import Data
from counterpoise.study.verdicts import NoVerdict, Verdict

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
LEAST_POSITIVES = 5
"""A label with fewer units is left out of figures that are means over labels."""
BINS = 10
"""Bins of equal count of the calibration error."""
Found = Mapping[tuple[str, int, int], Tested]
"""(arm, repeat, fold) -> what the best setting of its grid found."""


@dataclass(frozen=True)
class Images:
    """The images of train and validation.

    Attributes:
        image_ids: (n,) sorted.
        truth: (n, c) which classes each has.
        unit: (n,) what must not be separated, 0..u-1.
        names: (c,) of the classes.
        positive: Index of the class that matters.
        one_class: Whether the task gives each image exactly one class.
    """

    image_ids: NDArray[np.str_]
    truth: Bools
    unit: Ints
    names: tuple[str, ...]
    positive: int
    one_class: bool

    @property
    def holds(self) -> Bools:
        """(u, c) which classes a unit holds."""
        held = np.zeros((int(self.unit.max()) + 1, self.truth.shape[1]), dtype=np.bool_)
        np.logical_or.at(held, self.unit, self.truth)
        return held

    @property
    def counted(self) -> Bools:
        """(c,) which classes figures are means over: all of one class per image, else those with enough units."""
        if self.one_class:
            return np.ones(self.truth.shape[1], dtype=np.bool_)
        return np.asarray(self.holds.sum(axis=0) >= LEAST_POSITIVES)

    def classes_of(self, figure: str) -> list[int]:
        """Number the classes that a figure is a mean over."""
        alone = figures.FIGURES[figure].of_positive
        return [self.positive] if alone else np.flatnonzero(self.counted).tolist()

    def left_out(self, figure: str) -> tuple[str, ...]:
        """Name the labels that are too rare for a figure that is a mean over labels."""
        alone = figures.FIGURES[figure].of_positive
        return () if alone else tuple(self.names[label] for label in np.flatnonzero(~self.counted))

    def judged(self, figure: str) -> list[int]:
        """Number the labels that have a verdict of their own beside that of a mean over labels."""
        if self.one_class or figures.FIGURES[figure].of_positive:
            return []
        enough = self.holds.sum(axis=0) >= verdicts.LEAST_UNITS
        return [label for label in self.classes_of(figure) if enough[label]]

    def needed(self, classes: Sequence[int]) -> int:
        """Count the units of its rarest class that a figure over some classes needs for a verdict."""
        return LEAST_POSITIVES if len(classes) > 1 and not self.one_class else verdicts.LEAST_UNITS

    def rarest(self, figure: str) -> int:
        """Number the class of a figure that the fewest units hold."""
        of_figure = self.classes_of(figure)
        return of_figure[int(np.argmin(self.holds[:, of_figure].sum(axis=0)))]


def images(data: Data, task: str) -> Images:
    """List the images of the splits of some data, such as train and val, for a task."""
    tables = [part.tiles.table[["image_id", "labels"]] for part in data.splits.values()]
    label_of = dict(row for table in tables for row in table.itertuples(index=False, name=None))
    ids = np.array(sorted(label_of))
    truth = labels.indicators([label_of[image_id] for image_id in ids], data.classes.names)
    unit = np.unique([data.units[image_id] for image_id in ids], return_inverse=True)[1]
    names = data.classes.names
    one_class = tasks.find(task).fault_of_labels(names) is not None  # all of them at once
    return Images(ids, truth, unit, names, names.index(data.positive.name), one_class)


def assign(of: Images, study: Study, task: str) -> Ints:
    """Assign units to the folds of every repeat, (R, u).

    Raises:
        InputError: There are fewer units than folds, or the figure does not suit the images.
    """
    figures.check(study.figure, of.one_class)
    if not of.classes_of(study.figure):
        raise InputError(
            f"figure is {study.figure!r}, a mean over the labels with at least {LEAST_POSITIVES} independent images in "
            "train and validation, and no label has as many; label more of them, or set figure to 'average_precision'"
        )
    folds.check(of.holds, study.folds, of.names, of.counted)
    sizes = np.bincount(of.unit)
    every = [
        folds.assign(of.holds, sizes, study.folds, study.seed, repeat, task=task) for repeat in range(study.repeats)
    ]
    return np.stack(every)


def cells(of: Images, fold: Ints, arms: Sequence[Arm], study: Study) -> list[Cell]:
    """List the cells of arms; those of one repeat and fold learn from the same images with the same draws."""
    listed = []
    for repeat, own in enumerate(fold):
        for number in range(study.folds):
            names = folds.splits(own, number, study.folds)[of.unit]
            split_of = dict(zip(of.image_ids.tolist(), names.tolist(), strict=True))
            draws = seeds.derive(study.seed, "samples of a study", f"{repeat}/{number}")
            listed += [
                Cell(arm.name, trial, repeat, number, _seeded(content, study.seed, repeat, number), split_of, draws)
                for arm in arms
                for trial, content in enumerate(arm.trials)
            ]
    return listed


def _seeded(content: Mapping[str, Any], seed: int, repeat: int, fold: int) -> dict[str, Any]:
    """Give a training its own seed, the same for all arms with the same `train.seed`."""
    own = seeds.derive(seeds.derive(seed, "study", content["train"]["seed"]), "training", f"{repeat}/{fold}")
    return experiment.changed(content, {"train.seed": own, "evaluate.at_prevalence": []})


def best(tested: Sequence[Tested]) -> Tested:
    """Choose the setting of a grid with the least loss on the validation fold; the first of equal ones."""
    return tested[int(np.argmin([one.val_loss for one in tested]))]


def values(of: Images, study: Study, found: Found, arm: str, figure: str, view: str, classes: Sequence[int]) -> Floats:
    """Compute a figure of every fold, (R, K), as a mean over some classes."""
    result = np.empty((study.repeats, study.folds))
    for repeat, fold in np.ndindex(result.shape):
        truth, variant = _tested(of, found[arm, repeat, fold], view)
        result[repeat, fold] = figures.value(figure, truth, variant, classes)
    return result


def influences(of: Images, study: Study, found: Found, arm: str, classes: Sequence[int]) -> Floats:
    """Sum the influence values of each unit on the declared figure, (R, u), each in the fold that tests it."""
    result = np.zeros((study.repeats, int(of.unit.max()) + 1))
    for repeat, fold in np.ndindex(study.repeats, study.folds):
        truth, variant = _tested(of, found[arm, repeat, fold], study.view)
        each = figures.influences(study.figure, truth, variant, classes)
        rows = np.searchsorted(of.image_ids, found[arm, repeat, fold].image_ids)
        np.add.at(result[repeat], of.unit[rows], each)
    return result


def _tested(of: Images, tested: Tested, view: str) -> tuple[Bools, Variant]:
    return of.truth[np.searchsorted(of.image_ids, tested.image_ids)], tested.variants[view]


def judge(of: Images, fold: Ints, study: Study, found: Found, arm: Arm, comparisons: int) -> Verdict | NoVerdict:
    """Judge an arm by the declared figure and view.

    Args:
        of: Images.
        fold: (R, u) folds.
        study: What is declared.
        found: Of the arm and of its control.
        arm: An arm with a control.
        comparisons: How many arms the study declares.
    """
    return _judge(of, fold, study, found, arm, of.classes_of(study.figure), comparisons)


def judge_labels(
    of: Images, fold: Ints, study: Study, found: Found, arm: Arm, comparisons: int
) -> dict[str, Verdict | NoVerdict]:
    """Judge an arm by the declared figure of every label with enough units, corrected over arms and labels.

    Returns:
        Name of a label -> verdict; empty for one class per image, and for a figure of one class.
    """
    judged = of.judged(study.figure)
    every = comparisons * len(judged)
    return {of.names[label]: _judge(of, fold, study, found, arm, [label], every) for label in judged}


def _judge(
    of: Images, fold: Ints, study: Study, found: Found, arm: Arm, classes: Sequence[int], comparisons: int
) -> Verdict | NoVerdict:
    """Judge an arm by the mean over some classes."""
    assert arm.control is not None, "a control is compared with nothing"
    figure, view, holds = study.figure, study.view, of.holds
    own, control = (values(of, study, found, name, figure, view, classes) for name in (arm.name, arm.control))
    phi, control_phi = (influences(of, study, found, name, classes) for name in (arm.name, arm.control))
    units = holds[:, classes].sum(axis=0)
    return verdicts.compare(
        own - control,
        phi - control_phi,
        fold,
        holds[:, classes[int(np.argmin(units))]],
        comparisons=comparisons,
        margin=study.margin,
        least=verdicts.of_one_unit(units) if figures.FIGURES[figure].counts_decisions else 0.0,
        needed=of.needed(classes),
    )


def means(of: Images, study: Study, found: Found, arm: str) -> dict[str, dict[str, float]]:
    """Compute the mean of every figure in every view; they describe, and no verdict is about them.

    Returns:
        View -> figure -> mean over folds and repeats, NaN where it is undefined in a fold; beside the
        figures of verdicts `log_loss` in nats and `calibration_error` of the class that matters.
    """
    suited = [name for name, figure in figures.FIGURES.items() if of.one_class or not figure.one_class]
    names = [name for name in suited if of.classes_of(name)]
    return {
        view: {
            **{name: float(values(of, study, found, arm, name, view, of.classes_of(name)).mean()) for name in names},
            **_of_probabilities(of, study, found, arm, view),
        }
        for view in VIEWS
    }


def _of_probabilities(of: Images, study: Study, found: Found, arm: str, view: str) -> dict[str, float]:
    """Compute log loss and calibration error over all images of a repeat, since bins of one fold hold too few."""
    losses, errors = [], []
    for repeat in range(study.repeats):
        parts = [_tested(of, found[arm, repeat, fold], view) for fold in range(study.folds)]
        truth = np.concatenate([own for own, _ in parts])
        probs = np.concatenate([variant.probs for _, variant in parts])
        losses.append(figures.log_loss(truth, probs))
        predicted, observed, counts = probability.reliability(
            probs[:, of.positive], truth[:, of.positive], bins=BINS, equal_count=True
        )
        full = counts > 0
        errors.append(np.average(np.abs(predicted - observed)[full], weights=counts[full]))
    return {"log_loss": float(np.mean(losses)), "calibration_error": float(np.mean(errors))}
