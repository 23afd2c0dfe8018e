"""The members of a model: each is trained in all its parts, and a card says how to build and use them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from counterpoise import seeds
from counterpoise.artifacts import model
from counterpoise.artifacts.prior import Prior
from counterpoise.calibration import prior_ledger
from counterpoise.config import PATH, InputError, Model
from counterpoise.dataset.inputs import FeatureInputs, infer
from counterpoise.engine.threads import one_thread
from counterpoise.networks import backbones, devices, freezing, outlines, subclasses
from counterpoise.networks.backbones import build_backbone
from counterpoise.networks.devices import Compute
from counterpoise.networks.heads import build_head
from counterpoise.networks.network import Network, sum_back
from counterpoise.training import checkpoints, decoupling, loop, objective
from counterpoise.training.curriculum import Deferred, curriculum
from counterpoise.training.examples import Examples, feature_width, unaugmented, with_types
from counterpoise.training.settings import Settings, Train


def build(section: Model, seed: int, classes: int, width: int | None, bias: Tensor | None = None) -> nn.Module:
    """Build what is trained: a head on features of a width, or for `None` a whole network.

    Args:
        section: Section `model`.
        seed: `train.seed`, from which the seed of the initial weights is derived.
        classes: Outputs.
        width: Features of a frozen backbone.
        bias: (classes,) at which the last layer begins; `None` begins at zero.
    """
    seed = _initial_seed(seed)
    if width is not None:
        return build_head(section.head, width, classes, section.dropout, seed, bias, hidden=section.hidden)
    backbone = build_backbone(section.backbone, section.weights, seed, section.pool)
    freezing.freeze(backbone, section.freeze, section.freeze_first)
    width = backbones.width(backbone, section.input_px)
    head = build_head(section.head, width, classes, section.dropout, seed, bias, hidden=section.hidden)
    return Network(backbone, head).to(memory_format=torch.channels_last)


def _initial_seed(seed: int) -> int:
    return seeds.derive(seed, "initialisation") % 2**32


def _deferred(params: Settings) -> Deferred:
    return Deferred(params.train.pretrain_frac, params.weighting.defer_frac, params.oversample.defer_frac)


def schedule_lines(params: Train) -> tuple[prior_ledger.Line, ...]:
    """Return the lines of the ledger for what changes the prior in the course of training; none where nothing does."""
    switches = [("train.sampler", params.sampler, "as_drawn"), ("train.mix", params.mix, "none")]
    return tuple(prior_ledger.Line(piece, value, None) for piece, value, usual in switches if value != usual)


@dataclass(frozen=True)
class Member:
    """A trained member of the model.

    Attributes:
        weights: Of the best epoch, and of the classifier that was made after it.
        ledger: Every line of the prior ledger.
        history: Of the first training, as `loop.Fitted` has it.
        summary: `best_epoch`, from 0; of a retrained classifier also its own, `classifier_epoch`.
        waited_frac: Of the first training, as `loop.Fitted` has it; it is no part of any file, as times differ.
    """

    weights: dict[str, Tensor]
    ledger: tuple[prior_ledger.Line, ...]
    history: list[dict[str, float]]
    summary: dict[str, int]
    waited_frac: float


def fit_member(
    drawn: Examples,
    natural: Examples,
    val: Examples,
    prior: Prior,
    params: Settings,
    checkpoint: checkpoints.Checkpoint | None = None,
) -> Member:
    """Train a member in all its parts: objective, network, the course of training, classifier.

    Args:
        drawn: The draws of one epoch.
        natural: Every tile of train once, as it is.
        val: By which the best epoch, and what else there is to choose, are chosen.
        prior: Counts of the draws, and the first lines of the ledger.
        params: All settings, of this member.
        checkpoint: Where the state of the first training is kept.

    Raises:
        InputError: Settings do not suit each other, or the training diverged.
    """
    compute = devices.pick(params.model.device, params.model.precision)
    goal, lines = objective.build(prior, params.loss, params.losses[params.loss], params.weighting)
    bias = objective.initial_bias(prior, lines, draws_deferred=params.oversample.defer_frac > 0)
    of = subclasses.parents(prior.classes, params.model.subclasses)
    if params.model.subclasses:
        goal = objective.over_types(goal, prior, params.loss, params.losses[params.loss], of)
        drawn, natural = _typed(
            drawn,
            natural,
            prior.classes,
            params.model,
            4 * params.train.batch_size,
            params.seed,
            params.train.seed,
            compute,
        )
        bias = bias[torch.tensor(of)] + subclasses.log_shares(drawn.targets, of)
        remedy = ", ".join(f"{name} {count}" for name, count in params.model.subclasses.items())
        lines = (*lines, prior_ledger.Line("model.subclasses", remedy, (1.0,) * len(prior.classes)))
    network = build(params.model, params.train.seed, len(of), feature_width(drawn), bias)
    sum_back(network, of)
    course = curriculum(drawn, natural, goal, params.train.epochs, _deferred(params))
    fitted = loop.fit(network, course, val, params.train, compute, checkpoint)
    network.load_state_dict(fitted.weights)
    weights, lines, summary = fitted.weights, (*lines, *schedule_lines(params.train)), {"best_epoch": fitted.best_epoch}
    if params.train.classifier == "retrained":
        if not isinstance(network, Network):
            raise InputError(f"{PATH}: train.classifier 'retrained' needs images; model.freeze must not be 'backbone'")
        again, lines = retrain(network, unaugmented(natural), val, prior, params, compute)
        weights, summary = again.weights, summary | {"classifier_epoch": again.best_epoch}
    elif params.train.classifier == "tau_normalised":
        weights, line = decoupling.renormalise(network, val, compute, 4 * params.train.batch_size)
        lines = (*lines, line)
    return Member(weights, lines, fitted.history, summary, fitted.waited_frac)


def fit_members(
    drawn: Examples,
    natural: Examples,
    val: Examples,
    prior: Prior,
    params: Settings,
    saved: Sequence[checkpoints.Checkpoint] = (),
) -> list[Member]:
    """Train every member; the first as if it were alone, the others with seeds derived from `train.seed`.

    Args:
        drawn: As in `fit_member`.
        natural: As in `fit_member`.
        val: As in `fit_member`.
        prior: As in `fit_member`.
        params: All settings.
        saved: For each member, where its state is kept; empty for nowhere.
    """
    states: Sequence[checkpoints.Checkpoint | None] = saved or [None] * params.train.members
    settings = [as_member(params, member) for member in range(params.train.members)]
    with one_thread() if params.model.freeze == "backbone" else nullcontext():  # a head on stored features
        return [fit_member(drawn, natural, val, prior, own, state) for own, state in zip(settings, states, strict=True)]


def as_member(params: Settings, member: int) -> Settings:
    """Return the settings of a single member, from 0."""
    seed = params.train.seed
    own = seeds.derive(seed, "member", member) if member else seed
    return params.model_copy(update={"train": params.train.model_copy(update={"seed": own, "members": 1})})


def retrain(
    network: Network, natural: Examples, val: Examples, prior: Prior, params: Settings, compute: Compute
) -> tuple[loop.Fitted, tuple[prior_ledger.Line, ...]]:
    """Train a new head on the features that a network has learned, on draws in which classes are even.

    Args:
        network: Trained; its backbone stays, its head is left behind.
        natural: Every tile of train as it is.
        val: By which the best epoch is chosen.
        prior: Counts of train, and the line of the split.
        params: Settings of both trainings; the second mixes nothing and defers no draws.
        compute: Device and precision.

    Returns:
        The weights of the whole, with the curves of the head; and the ledger, in which even draws stand in place of
        those of the first training.
    """
    rows, redrawn = decoupling.even_draws(natural.targets.numpy(), prior, params.seed)
    goal, lines = objective.build(redrawn, params.loss, params.losses[params.loss], params.weighting)
    batch_size = 4 * params.train.batch_size
    values, of_val = (infer(network.backbone, part.inputs, batch_size, compute) for part in (natural, val))
    bias = objective.initial_bias(redrawn, lines)
    head = build(params.model, params.train.seed, len(prior.classes), values.shape[1], bias)
    drawn = Examples(FeatureInputs(values, rows), natural.targets[torch.from_numpy(rows)])
    with one_thread():
        fitted = loop.fit(
            head,
            replace(curriculum(drawn, natural, goal, params.train.epochs, _deferred(params)), natural_epochs=0),
            Examples(FeatureInputs(of_val, np.arange(len(of_val))), val.targets),
            params.train.model_copy(update={"mix": "none", "sampler": "as_drawn"}),
            compute,
        )
    whole = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    return replace(fitted, weights=whole | {f"head.{name}": tensor for name, tensor in fitted.weights.items()}), lines


def describe(members: Sequence[Member], prior: Prior, loss: str, section: Model, width: int | None) -> model.Card:
    """Say what is needed to build and use the members, heads on so many features or, for `None`, whole networks.

    Their lines of the ledger are the same, but for what a remedy chose on validation, such as tau, which stands there
    of each.
    """
    lines = [
        replace(same[0], remedy=" / ".join(dict.fromkeys(line.remedy for line in same)))
        for same in zip(*(member.ledger for member in members), strict=True)
    ]
    return model.Card(
        task=prior.task,
        backbone=section.backbone,
        head=section.head,
        dropout=section.dropout,
        input_px=section.input_px,
        frozen=width is not None,
        backbone_weights=section.weights,
        classes=prior.classes,
        loss=loss,
        ledger=tuple(lines),
        pool=section.pool,
        hidden=section.hidden,
        width=width or outlines.measure(section.backbone, section.pool, section.input_px).width,
        members=len(members),
        subclasses=section.subclasses,
    )


def _typed(
    drawn: Examples,
    natural: Examples,
    classes: tuple[str, ...],
    section: Model,
    batch_size: int,
    seed: int,
    train_seed: int,
    compute: Compute,
) -> tuple[Examples, Examples]:
    """Set types in place of classes as targets, which are clusters of features.

    `seed` decides the clusters, `train_seed` the weights of a backbone that begins at random.
    """
    plain = unaugmented(natural)
    if isinstance(plain.inputs, FeatureInputs):
        values = plain.inputs.values[plain.inputs.rows]
    else:
        backbone = build_backbone(section.backbone, section.weights, _initial_seed(train_seed), section.pool)
        values = infer(backbone, plain.inputs, batch_size, compute)
    types = subclasses.find(values, natural.targets.numpy(), classes, section.subclasses, seed)
    return with_types(drawn, natural, types)
