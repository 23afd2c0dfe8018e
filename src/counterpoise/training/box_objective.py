"""The objective of a detector's classes, and its lines of the prior ledger."""

from __future__ import annotations

from dataclasses import replace

from counterpoise.artifacts.prior import BoxPrior
from counterpoise.calibration import prior_ledger
from counterpoise.detection import detectors
from counterpoise.training import objective
from counterpoise.training.objective import Objective
from counterpoise.training.settings import Settings

SHARES = {"every": 0.01, "hard_negative": 0.25}
"""Share of what teaches that holds an object, for samplers that do not keep to `detector.positive_frac`; of all anchors
it is the probability at which dense heads start."""
BACKGROUND = {"multiclass": 1, "multilabel": 0}
"""Logits before those of the classes, by what they mean."""


def build(prior: BoxPrior, params: Settings) -> tuple[Objective, tuple[prior_ledger.Line, ...]]:
    """Build the objective from the boxes of one epoch, and the ledger.

    Losses and weights count boxes, and background as often as the sampler takes it for each box at least. What anchors
    and samplers show a detector is no prior of the world, so their line is unknown: scores need calibration.

    Args:
        prior: Classes and their boxes in one epoch.
        params: All settings.

    Returns:
        The objective of logits as the detector's `LINK` says, and all ledger lines, for the classes without background.

    Raises:
        InputError: The loss or the weights do not suit the detector.
    """
    section = params.detector
    link = detectors.find(section.name).LINK
    before = BACKGROUND[link]
    share = SHARES.get(section.sampler, section.positive_frac)
    objects = sum(prior.drawn_boxes)
    total = max(round(objects / share), objects + 1)
    counts = (*[total - objects] * before, *prior.drawn_boxes)
    names = (*[""] * before, *prior.classes)
    shown = replace(prior, task=link, classes=names, drawn_counts=counts, drawn_total=total, ledger=())
    goal, lines = objective.build(shown, params.loss, params.losses[params.loss], params.weighting)
    sampler = prior_ledger.Line("detector.sampler", section.sampler, None)
    return goal, (*prior.ledger, sampler, *(_of_classes(line, before) for line in lines))


def _of_classes(line: prior_ledger.Line, before: int) -> prior_ledger.Line:
    """Write factors of the shares of background and classes as factors of the odds of each class against it."""
    if line.factors is None or not before:
        return line
    background, *classes = line.factors
    return replace(line, factors=tuple(factor / background for factor in classes))
