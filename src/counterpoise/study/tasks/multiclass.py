"""Exactly one class per image: heads on stored features, or whole networks, give a probability for each class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise import labels, tasks
from counterpoise.evaluation.scores import Variant
from counterpoise.metrics import probability
from counterpoise.stages import check, embed
from counterpoise.study import figures
from counterpoise.study.cells import Job, Tested
from counterpoise.study.cells import data as data
from counterpoise.study.cells import digest_of_data as digest_of_data
from counterpoise.study.cells import files as files
from counterpoise.study.cells import key as key
from counterpoise.study.cells import read as read
from counterpoise.study.cells import work as work
from counterpoise.study.experiment import Data
from counterpoise.study.figures import FIGURES as FIGURES
from counterpoise.study.images import Images
from counterpoise.study.keys import declared, within
from counterpoise.study.tasks import AnyFigure

CHANGEABLE: tuple[str, ...] = ("oversample", "model", "weighting", "losses", "train", "predict", "decide")
ALIKE: Mapping[str, str] = {"train.solver": "solver"}
LEAST_POSITIVES = 5
"""A label with fewer units is left out of figures that are means over labels."""
BINS = 10
"""Bins of equal count of the calibration error."""


def faults_of_keys(keys: Mapping[str, Any], content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what changes stored features."""
    if content["model"]["freeze"] != "backbone":
        return
    shared = set(declared(embed.Params))
    for name in keys:
        if any(within(name, one) or within(one, name) for one in shared):
            yield f"{name} changes the stored features, which all arms share; set it in params.yaml"


def faults(trial: Mapping[str, Any]) -> Iterator[str]:
    """Name what is wrong."""
    yield from check.problems(trial)


def images(data: Data, task: str) -> Images:
    """List the images with their labels."""
    tables = [part.tiles.table[["image_id", "labels"]] for part in data.splits.values()]
    label_of = dict(row for table in tables for row in table.itertuples(index=False, name=None))
    ids = np.array(sorted(label_of))
    truth = labels.indicators([label_of[image_id] for image_id in ids], data.classes.names)
    names = data.classes.names
    one_class = tasks.find(task).fault_of_labels(names) is not None  # all of them at once
    return listed(data, task, ids, truth, FIGURES, one_class=one_class, least=0 if one_class else LEAST_POSITIVES)


def listed(
    data: Data,
    task: str,
    ids: NDArray[np.str_],
    truth: NDArray[np.bool_],
    known: Mapping[str, AnyFigure],
    *,
    one_class: bool,
    least: int,
) -> Images:
    """Put images together with their units, and say which figures are of the class that matters alone."""
    unit, names = np.unique([data.units[image_id] for image_id in ids], return_inverse=True)[1], data.classes.names
    alone = frozenset(name for name, figure in known.items() if figure.of_positive)
    return Images(ids, truth, unit, names, names.index(data.positive.name), one_class, least, alone, task)


def check_figure(name: str, of: Images) -> None:
    """Refuse a figure that needs exactly one class per image where there may be several."""
    figures.check(name, of.one_class)


def prepare(jobs: Sequence[Job]) -> None:
    """Compute nothing: features are stored by stage `embed`."""


def _tested(of: Images, tested: Tested, view: str) -> tuple[NDArray[np.bool_], Variant]:
    return of.truth[np.searchsorted(of.image_ids, tested.image_ids)], tested.variants[view]


def value(name: str, of: Images, tested: Tested, view: str, classes: Sequence[int]) -> float:
    """Compute a figure."""
    return figures.value(name, *_tested(of, tested, view), classes)


def influences(name: str, of: Images, tested: Tested, view: str, classes: Sequence[int]) -> NDArray[np.float64]:
    """Sum the influence values of the images of each unit."""
    each = figures.influences(name, *_tested(of, tested, view), classes)
    units = of.unit[np.searchsorted(of.image_ids, tested.image_ids)]
    return np.asarray(np.bincount(units, each, minlength=int(of.unit.max()) + 1), dtype=np.float64)


def described(of: Images, tested: Sequence[Tested], view: str) -> dict[str, float]:
    """Compute log loss and calibration error over all images of a repeat, since bins of one fold hold too few."""
    parts = [_tested(of, one, view) for one in tested]
    truth = np.concatenate([own for own, _ in parts])
    probs = np.concatenate([variant.probs for _, variant in parts])
    predicted, observed, counts = probability.reliability(
        probs[:, of.positive], truth[:, of.positive], bins=BINS, equal_count=True
    )
    full = counts > 0
    error = np.average(np.abs(predicted - observed)[full], weights=counts[full])
    return {"log_loss": figures.log_loss(truth, probs), "calibration_error": float(error)}
