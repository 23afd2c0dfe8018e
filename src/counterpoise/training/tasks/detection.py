"""Boxes of objects: a detector is trained on tiles and their boxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from counterpoise.artifacts.model import Card, DetectorCard
from counterpoise.artifacts.prior import BoxPrior, Prior
from counterpoise.artifacts.tiles import Tiles
from counterpoise.detection import building, task_weights
from counterpoise.detection.detectors import Plan
from counterpoise.networks import devices
from counterpoise.training import box_examples, box_objective, loop, members
from counterpoise.training.box_examples import BoxExamples
from counterpoise.training.box_teaching import Boxes, Combined
from counterpoise.training.checkpoints import Checkpoint
from counterpoise.training.curriculum import curriculum
from counterpoise.training.members import Member
from counterpoise.training.settings import Settings


def examples(
    root: Path,
    split: str,
    part: Tiles,
    rows: NDArray[np.int64],
    views: NDArray[np.int64],
    prior: Prior,
    params: Settings,
) -> BoxExamples:
    """Build examples of tiles with boxes."""
    assert isinstance(prior, BoxPrior)
    multiple_px = building.coarsest_px(params.model.backbone, params.detector)
    return box_examples.from_tiles(root, split, part, rows, views, prior, params, multiple_px)


def fit_members(
    drawn: BoxExamples,
    natural: BoxExamples,
    val: BoxExamples,
    prior: Prior,
    params: Settings,
    saved: Sequence[Checkpoint],
    units: NDArray[np.str_] | None,
) -> list[Member]:
    """Train all members, each with a seed of its own."""
    assert isinstance(prior, BoxPrior)
    return [
        _fit_member(drawn, natural, val, prior, members.as_member(params, number), saved[number] if saved else None)
        for number in range(params.train.members)
    ]


def _fit_member(
    drawn: BoxExamples,
    natural: BoxExamples,
    val: BoxExamples,
    prior: BoxPrior,
    params: Settings,
    checkpoint: Checkpoint | None,
) -> Member:
    compute = devices.pick(params.model.device, params.model.precision)
    goal, lines = box_objective.build(prior, params)
    own = plan(prior, params, natural.sides)
    seed = members.initial_seed(params.train.seed)
    first = params.model.freeze_first if params.model.freeze == "first_n" else 0
    detector = building.build(own, params.model.weights, seed, first).to(memory_format=torch.channels_last)
    weights = task_weights.find(params.detector.task_weights)
    keys = cast("Sequence[str]", detector.KEYS)
    network = Combined(detector, weights.build(list(keys), weights.Params()))
    course = curriculum(drawn, natural, goal, params.train.epochs, members.deferred(params))
    fitted = loop.fit(network, course, val, params.train, compute, checkpoint, Boxes())
    prefix = "detector."
    kept = {name.removeprefix(prefix): own for name, own in fitted.weights.items() if name.startswith(prefix)}
    summary = {"best_epoch": fitted.best_epoch}
    return Member(kept, (*lines, *members.schedule_lines(params.train)), fitted.history, summary, fitted.waited_frac)


def plan(prior: BoxPrior, params: Settings, sides: NDArray[np.float64]) -> Plan:
    """Gather all that rebuilds the detector, anchors that fit the boxes of train included."""
    return building.plan_of(
        params.model.backbone,
        len(prior.classes),
        params.model.input_px,
        params.detector,
        params.box_loss,
        params.box_losses[params.box_loss],
        building.shapes(params.detector, sides, params.seed),
    )


def describe(fitted: Sequence[Member], prior: Prior, params: Settings, drawn: BoxExamples) -> Card:
    """Describe detectors. All members have the same anchors."""
    assert isinstance(prior, BoxPrior)
    own = plan(prior, params, drawn.sides)
    return DetectorCard(
        task=prior.task,
        backbone=params.model.backbone,
        head=params.detector.name,
        dropout=0.0,
        input_px=params.model.input_px,
        frozen=False,
        backbone_weights=params.model.weights,
        classes=prior.classes,
        loss=params.loss,
        ledger=fitted[0].ledger,
        pool="",
        hidden=params.detector.hidden,
        width=params.detector.channels,
        members=len(fitted),
        detector=params.detector.model_dump(),
        box_loss=own.box_loss,
        box_params=own.box_params,
        anchors=own.anchors,
    )
