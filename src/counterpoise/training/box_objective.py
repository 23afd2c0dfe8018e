"""The objective of a detector's classes, and its lines of the prior ledger."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from counterpoise import tasks
from counterpoise.artifacts.prior import BoxPrior
from counterpoise.calibration import prior_ledger
from counterpoise.detection import detectors
from counterpoise.training import objective
from counterpoise.training.objective import Objective
from counterpoise.training.settings import Settings

POSITIVE_FRAC = 0.01
"""Share of anchors that hold an object where every anchor teaches: the prior at which dense heads start."""


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
    share = POSITIVE_FRAC if section.sampler == "every" else section.positive_frac
    boxes = np.array(prior.drawn_boxes)
    total = max(round(float(boxes.sum()) / share), int(boxes.sum()) + 1)
    counts = tuple(int(count) for count in boxes)
    exclusive = tasks.find(link).TARGET_NDIM == 1  # then background is a class, the first
    if exclusive:
        counts = (total - sum(counts), *counts)
    names = ("", *prior.classes) if exclusive else prior.classes
    shown = replace(prior, task=link, classes=names, drawn_counts=counts, drawn_total=total, ledger=())
    goal, lines = objective.build(shown, params.loss, params.losses[params.loss], params.weighting)
    own = tuple(_without_background(line) if exclusive else line for line in lines)
    sampler = prior_ledger.Line("detector.sampler", section.sampler, None)
    return goal, (*prior.ledger, sampler, *own)


def _without_background(line: prior_ledger.Line) -> prior_ledger.Line:
    """Write factors of the shares of background and classes as factors of the odds of each class against it."""
    if line.factors is None:
        return line
    background, *classes = line.factors
    return replace(line, factors=tuple(factor / background for factor in classes))
