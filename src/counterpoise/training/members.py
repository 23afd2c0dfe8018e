"""The members of an ensemble: how to train each of them, and the card that describes how to rebuild them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from counterpoise import seeds
from counterpoise.artifacts import model
from counterpoise.artifacts.prior import Prior
from counterpoise.calibration import links, prior_ledger
from counterpoise.config import PATH, InputError, Model
from counterpoise.dataset.inputs import FeatureInputs, infer
from counterpoise.engine.threads import one_thread
from counterpoise.networks import backbones, devices, freezing, outlines, subclasses
from counterpoise.networks.backbones import build_backbone
from counterpoise.networks.devices import Compute
from counterpoise.networks.heads import Head, build_head, moments
from counterpoise.networks.network import Network, sum_back
from counterpoise.training import bootstrap, checkpoints, decoupling, loop, objective, penalty_path
from counterpoise.training.curriculum import Deferred, curriculum
from counterpoise.training.examples import Examples, feature_width, unaugmented, with_synthetic, with_types
from counterpoise.training.settings import Settings, Train


def build(section: Model, seed: int, classes: int, width: int | None, bias: Tensor | None = None) -> nn.Module:
    """Build the network to train: only a head if the backbone is frozen, otherwise a backbone with its head.

    Args:
        section: Section `model`.
        seed: `train.seed`. The seed of the initial weights is derived from it.
        classes: Number of outputs.
        width: Number of features of the frozen backbone; `None` for a whole network.
        bias: (classes,) initial bias of the last layer; `None` for zeros.
    """
    seed = initial_seed(seed)
    if width is not None:
        return build_head(section.head, width, classes, section.dropout, seed, bias, hidden=section.hidden)
    backbone = build_backbone(section.backbone, section.weights, seed, section.pool)
    freezing.freeze(backbone, section.freeze, section.freeze_first)
    width = backbones.width(backbone, section.input_px)
    head = build_head(section.head, width, classes, section.dropout, seed, bias, hidden=section.hidden)
    return Network(backbone, head).to(memory_format=torch.channels_last)


def initial_seed(seed: int) -> int:
    """Derive the seed of the initial weights, in 0..2^32 - 1."""
    return seeds.derive(seed, "initialisation") % 2**32


def deferred(params: Settings) -> Deferred:
    """Gather when remedies start."""
    return Deferred(params.train.pretrain_frac, params.weighting.defer_frac, params.oversample.defer_frac)


def schedule_lines(params: Train) -> tuple[prior_ledger.Line, ...]:
    """Return the ledger lines of the settings that change the prior during training: `train.sampler`, `train.mix`."""
    switches = [("train.sampler", params.sampler, "as_drawn"), ("train.mix", params.mix, "none")]
    return tuple(prior_ledger.Line(piece, value, None) for piece, value, usual in switches if value != usual)


@dataclass(frozen=True)
class Member:
    """A trained member of an ensemble.

    Attributes:
        weights: Weights of the best epoch, with the decoupled classifier if there is one.
        ledger: All lines of the prior ledger.
        history: Metrics of each epoch of the first training; see `loop.Fitted`.
        summary: `best_epoch`, from 0; with a retrained classifier also its best epoch, `classifier_epoch`.
        waited_frac: Share of the first training spent waiting for batches; see `loop.Fitted`. It differs between runs,
            so no file has it.
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
    """Train one member: build the objective and the network, train it, then decouple the classifier if asked to.

    Args:
        drawn: The samples of one epoch, after oversampling.
        natural: Every training tile once, without augmented views.
        val: Validation examples, which choose the best epoch and tau.
        prior: Counts of the samples, and the first lines of the ledger.
        params: All settings of this member.
        checkpoint: Where to save the state of the first training.

    Raises:
        InputError: Settings cannot be combined, or training diverged.
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
    if params.oversample.synthetic != "none":
        drawn = with_synthetic(
            drawn, natural, params.oversample.synthetic, seeds.derive(params.train.seed, "synthetic samples")
        )
    network = build(params.model, params.train.seed, len(of), feature_width(drawn), bias)
    sum_back(network, of)
    fitted = _fit(network, goal, drawn, natural, val, params, compute, checkpoint)
    network.load_state_dict(fitted.weights)
    weights, lines, summary = fitted.weights, (*lines, *schedule_lines(params.train)), {"best_epoch": fitted.best_epoch}
    if params.train.classifier == "retrained":
        if not isinstance(network, Network):
            raise InputError(
                f"{PATH}: train.classifier 'retrained' needs a trained backbone, but model.freeze is 'backbone'; set "
                "one of them to another value"
            )
        again, lines = retrain(network, unaugmented(natural), val, prior, params, compute)
        weights, summary = again.weights, summary | {"classifier_epoch": again.best_epoch}
    elif params.train.classifier == "tau_normalised":
        weights, line = decoupling.renormalise(network, val, compute, 4 * params.train.batch_size)
        lines = (*lines, line)
    return Member(weights, lines, fitted.history, summary, fitted.waited_frac)


def _fit(
    network: nn.Module,
    goal: objective.Objective,
    drawn: Examples,
    natural: Examples,
    val: Examples,
    params: Settings,
    compute: Compute,
    checkpoint: checkpoints.Checkpoint | None,
) -> loop.Fitted:
    """Fit a head or a network by `train.solver`."""
    if params.train.solver == "adamw":
        if isinstance(network, Head) and isinstance(natural.inputs, FeatureInputs):
            network.standardise(moments(torch.from_numpy(natural.inputs.values[natural.inputs.rows])))
        course = curriculum(drawn, natural, goal, params.train.epochs, deferred(params))
        return loop.fit(network, course, val, params.train, compute, checkpoint)
    if not isinstance(network, Head):
        raise InputError(
            f"{PATH}: train.solver is 'lbfgs', but a backbone is trained; set train.solver to 'adamw', or model.freeze "
            "to 'backbone'"
        )
    return penalty_path.fit(network, goal, drawn, val, params.train, compute, checkpoint)


def fit_members(
    drawn: Examples,
    natural: Examples,
    val: Examples,
    prior: Prior,
    params: Settings,
    saved: Sequence[checkpoints.Checkpoint] = (),
    units: NDArray[np.str_] | None = None,
) -> list[Member]:
    """Train all members. The first uses `train.seed`, as with one member; the others use seeds derived from it.

    A fit by `lbfgs` has no randomness. Its members but the first use a bootstrap of the units.

    Args:
        drawn: As in `fit_member`.
        natural: As in `fit_member`.
        val: As in `fit_member`.
        prior: As in `fit_member`.
        params: All settings.
        saved: Where to save the state of each member; empty to save nothing.
        units: (n,) unit of each sample of `drawn`; needed for several members by `lbfgs`.
    """
    states: Sequence[checkpoints.Checkpoint | None] = saved or [None] * params.train.members
    settings = [as_member(params, member) for member in range(params.train.members)]
    with one_thread() if params.model.freeze == "backbone" else nullcontext():  # a head on stored features
        return [
            fit_member(_samples(drawn, prior, own, units, number), natural, val, prior, own, state)
            for number, (own, state) in enumerate(zip(settings, states, strict=True))
        ]


def _samples(drawn: Examples, prior: Prior, params: Settings, units: NDArray[np.str_] | None, member: int) -> Examples:
    """Return the samples of one member, counted from 0."""
    if member == 0 or params.train.solver == "adamw":
        return drawn
    assert units is not None
    truth = links.of_task(prior.task).truth(drawn.targets.numpy(), len(prior.classes))
    return bootstrap.resample(drawn, truth, units, params.train.seed)


def as_member(params: Settings, member: int) -> Settings:
    """Return the settings of one member, counted from 0."""
    seed = params.train.seed
    own = seeds.derive(seed, "member", member) if member else seed
    return params.model_copy(update={"train": params.train.model_copy(update={"seed": own, "members": 1})})


def retrain(
    network: Network, natural: Examples, val: Examples, prior: Prior, params: Settings, compute: Compute
) -> tuple[loop.Fitted, tuple[prior_ledger.Line, ...]]:
    """Train a new head on the learned features, with equally many samples of each class.

    Args:
        network: A trained network. Its backbone is kept, its head is replaced.
        natural: Every training tile once, without augmented views.
        val: Validation examples, which choose the best epoch.
        prior: Counts of the training set, and the ledger line of the split.
        params: Settings of both trainings. The second one uses no mixup, and does not defer oversampling.
        compute: Device and precision.

    Returns:
        The weights of the whole network with the training curves of the head; and the ledger, in which the balanced
        samples replace those of the first training.
    """
    rows, redrawn = decoupling.even_draws(natural.targets.numpy(), prior, params.seed)
    goal, lines = objective.build(redrawn, params.loss, params.losses[params.loss], params.weighting)
    batch_size = 4 * params.train.batch_size
    values, of_val = (infer(network.backbone, part.inputs, batch_size, compute) for part in (natural, val))
    bias = objective.initial_bias(redrawn, lines)
    head = build(params.model, params.train.seed, len(prior.classes), values.shape[1], bias)
    assert isinstance(head, Head)
    head.standardise(moments(torch.from_numpy(values[rows])))
    drawn = Examples(FeatureInputs(values, rows), natural.targets[torch.from_numpy(rows)])
    with one_thread():
        fitted = loop.fit(
            head,
            replace(curriculum(drawn, natural, goal, params.train.epochs, deferred(params)), natural_epochs=0),
            Examples(FeatureInputs(of_val, np.arange(len(of_val))), val.targets),
            params.train.model_copy(update={"mix": "none", "sampler": "as_drawn"}),
            compute,
        )
    whole = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    return replace(fitted, weights=whole | {f"head.{name}": tensor for name, tensor in fitted.weights.items()}), lines


def describe(members: Sequence[Member], prior: Prior, loss: str, section: Model, width: int | None) -> model.Card:
    """Describe what is needed to rebuild and use the members.

    `width` is the number of features of a frozen backbone; `None` for whole networks. All members have the same ledger
    lines, except for values chosen on validation, such as tau. The card lists these values for all members.
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
    """Replace class targets by types, which are clusters of features.

    `seed` decides the clusters, `train_seed` the random weights of a backbone that is not pretrained.
    """
    plain = unaugmented(natural)
    if isinstance(plain.inputs, FeatureInputs):
        values = plain.inputs.values[plain.inputs.rows]
    else:
        backbone = build_backbone(section.backbone, section.weights, initial_seed(train_seed), section.pool)
        values = infer(backbone, plain.inputs, batch_size, compute)
    types = subclasses.find(values, natural.targets.numpy(), classes, section.subclasses, seed)
    return with_types(drawn, natural, types)
