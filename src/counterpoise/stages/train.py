"""Train one model with the chosen loss.

Reads `data/draws.csv`, `data/prior.json`, `data/clusters.csv`, of train and val `data/tiles/` and `data/features/`,
and, where `model.weights` names it, a file in `models/pretrained/`. Writes `models/model/` and `results/train/`. A
training that was killed goes on from its last epoch and ends with the same weights; of several members those that are
done are not trained again. `torchrun --nproc-per-node 2 -m counterpoise.stages.train` trains in two processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from counterpoise import seeds, tasks
from counterpoise.artifacts import clusters, draws, features, model, prior, tiles, training
from counterpoise.calibration import prior_ledger
from counterpoise.config import PATH, InputError
from counterpoise.dataset import subsampling
from counterpoise.dataset.inputs import FeatureInputs, TileInputs
from counterpoise.engine import process_group
from counterpoise.networks import pretrained, subclasses
from counterpoise.networks.backbones import build_backbone, outline
from counterpoise.networks.devices import pick_device
from counterpoise.networks.network import Network, sum_back
from counterpoise.stages import run
from counterpoise.training import checkpoints, decoupling, loop, objective

Params = loop.Settings
"""What this stage reads."""


def _examples(root: Path, split: str, opened: prior.Prior, params: Params, *, drawn: bool = False) -> loop.Examples:
    """Read every tile of a split as it is, of train those of the part that is learned from; or the draws."""
    part = tiles.read(root, split)
    if drawn:
        row = {tile_id: number for number, tile_id in enumerate(part.table["tile_id"])}
        table = draws.read(root)
        rows, views = np.array([row[tile_id] for tile_id in table["tile_id"]]), table["view"].to_numpy()
    elif split == "train" and params.train.fraction < 1:
        rows = subsampling.choose(part.table, clusters.units(root), params.train.fraction, params.seed)
        views = np.zeros(len(rows), dtype=np.int64)
    else:
        rows, views = np.arange(len(part.table)), np.zeros(len(part.table), dtype=np.int64)
    return examples(part, features.read(root, split), rows, views, opened, params, split)


def examples(
    part: tiles.Tiles,
    frozen: features.Features | None,
    rows: NDArray[np.int64],
    views: NDArray[np.int64],
    opened: prior.Prior,
    params: Params,
    split: str,
) -> loop.Examples:
    """Make examples of tiles.

    Args:
        part: The tiles of a split.
        frozen: Their features, where the backbone is frozen.
        rows: (n,) which tile each example shows.
        views: (n,) as which view.
        opened: Task and classes.
        params: All settings.
        split: `train` is augmented on the fly.
    """
    encoded = tasks.find(opened.task).encode(part.table["labels"].tolist(), opened.classes)
    targets = torch.from_numpy(encoded[rows].astype(np.int64))
    if frozen is not None:
        place = {
            key: number for number, key in enumerate(zip(frozen.index["tile_id"], frozen.index["view"], strict=True))
        }
        tile_ids = part.table["tile_id"].to_numpy()[rows]
        found = np.array([place[key] for key in zip(tile_ids, views, strict=True)])
        return loop.Examples(FeatureInputs(frozen.values, found), targets, rows)
    inputs = TileInputs(
        tiles=part,
        rows=rows,
        views=views,
        input_px=params.model.input_px,
        policy=params.oversample.policy,
        seed=params.seed,
        on_the_fly=params.train.augment if split == "train" else "none",
        backbone=params.model.backbone,
    )
    return loop.Examples(inputs, targets, rows)


def schedule_lines(params: loop.Train) -> tuple[prior_ledger.Line, ...]:
    """Return the lines of the ledger for what changes the prior in the course of training; none where nothing does."""
    switches = [("train.sampler", params.sampler, "as_drawn"), ("train.mix", params.mix, "none")]
    return tuple(prior_ledger.Line(piece, value, None) for piece, value, usual in switches if value != usual)


@dataclass(frozen=True)
class Learned:
    """A trained model.

    Attributes:
        weights: Of the best epoch, and of the classifier that was made after it.
        ledger: Every line of the prior ledger.
        history: Of the first training, as `fitting.Fitted` has it.
        summary: `best_epoch`, from 0; of a retrained classifier also its own, `classifier_epoch`.
        waited_frac: Of the first training, as `fitting.Fitted` has it; it is no part of any file, as times differ.
    """

    weights: dict[str, Tensor]
    ledger: tuple[prior_ledger.Line, ...]
    history: list[dict[str, float]]
    summary: dict[str, int]
    waited_frac: float


def learn(
    drawn: loop.Examples,
    every: loop.Examples,
    val: loop.Examples,
    opened: prior.Prior,
    params: Params,
    checkpoint: checkpoints.Checkpoint | None = None,
) -> Learned:
    """Train a model in all its parts: objective, network, the course of training, classifier.

    Args:
        drawn: The draws of one epoch.
        every: Every tile of train once, as it is.
        val: By which the best epoch, and what else there is to choose, are chosen.
        opened: Counts of the draws, and the first lines of the ledger.
        params: All settings.
        checkpoint: Where the state of the first training is kept.

    Raises:
        InputError: Settings do not suit each other, or the training diverged.
    """
    goal, lines = objective.build(opened, params.loss, params.losses[params.loss], params.weighting)
    bias = objective.initial_bias(opened, lines, draws_deferred=params.oversample.defer_frac > 0)
    of = subclasses.parents(opened.classes, params.model.subclasses)
    if params.model.subclasses:
        goal = objective.over_types(goal, opened, params.loss, params.losses[params.loss], of)
        lines = (
            *lines,
            prior_ledger.Line("model.subclasses", _written(params.model.subclasses), (1.0,) * len(opened.classes)),
        )
        drawn, every = _typed(drawn, every, opened.classes, params)
        bias = bias[torch.tensor(of)] + _shares_of_types(drawn.targets, of)
    network = loop.build(params, len(of), _width(drawn), bias)
    sum_back(network, of)
    fitted = loop.fit(network, drawn, val, goal, params, checkpoint, early=every)
    network.load_state_dict(fitted.weights)
    lines, summary = (*lines, *schedule_lines(params.train)), {"best_epoch": fitted.best_epoch}
    if params.train.classifier == "retrained":
        if not isinstance(network, Network):
            raise InputError(f"{PATH}: train.classifier 'retrained' needs images; model.freeze must not be 'backbone'")
        again, lines = decoupling.retrain(network, _as_they_are(every), val, opened, params)
        return Learned(
            again.weights, lines, fitted.history, summary | {"classifier_epoch": again.best_epoch}, fitted.waited_frac
        )
    if params.train.classifier == "tau_normalised":
        weights, line = decoupling.renormalise(network, val, params)
        return Learned(weights, (*lines, line), fitted.history, summary, fitted.waited_frac)
    return Learned(fitted.weights, lines, fitted.history, summary, fitted.waited_frac)


def learn_all(
    drawn: loop.Examples,
    every: loop.Examples,
    val: loop.Examples,
    opened: prior.Prior,
    params: Params,
    kept: Sequence[checkpoints.Checkpoint] = (),
) -> list[Learned]:
    """Train every member; the first as if it were alone, the others with seeds derived from `train.seed`.

    Args:
        drawn: As in `learn`.
        every: As in `learn`.
        val: As in `learn`.
        opened: As in `learn`.
        params: All settings.
        kept: For each member, where its state is kept; empty for nowhere.
    """
    states: Sequence[checkpoints.Checkpoint | None] = kept or [None] * params.train.members
    settings = [as_member(params, member) for member in range(params.train.members)]
    return [learn(drawn, every, val, opened, own, state) for own, state in zip(settings, states, strict=True)]


def as_member(params: Params, member: int) -> Params:
    """Return the settings of a single member, from 0."""
    seed = params.train.seed
    own = seeds.derive(seed, "member", member) if member else seed
    return params.model_copy(update={"train": params.train.model_copy(update={"seed": own, "members": 1})})


def describe(learned: Sequence[Learned], opened: prior.Prior, params: Params, features: int | None) -> model.Card:
    """Say what is needed to build and use the members, heads on so many features or, for `None`, whole networks.

    Their lines of the ledger are the same, but for what a remedy chose on validation, such as tau, which stands there
    of each.
    """
    lines = [
        replace(same[0], remedy=" / ".join(dict.fromkeys(line.remedy for line in same)))
        for same in zip(*(member.ledger for member in learned), strict=True)
    ]
    return model.Card(
        task=opened.task,
        backbone=params.model.backbone,
        head=params.model.head,
        dropout=params.model.dropout,
        input_px=params.model.input_px,
        frozen=features is not None,
        backbone_weights=params.model.weights,
        classes=opened.classes,
        loss=params.loss,
        ledger=tuple(lines),
        pool=params.model.pool,
        hidden=params.model.hidden,
        width=features or outline(params.model.backbone, params.model.pool, params.model.input_px).width,
        members=len(learned),
        subclasses=params.model.subclasses,
    )


def _written(split: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in split.items())


def _typed(
    drawn: loop.Examples, every: loop.Examples, classes: tuple[str, ...], params: Params
) -> tuple[loop.Examples, loop.Examples]:
    """Set types in place of classes as targets; a draw has the type of its tile, whatever its view."""
    if drawn.tiles is None or every.tiles is None:
        raise ValueError("model.subclasses needs to know which tile each example shows")
    plain = _as_they_are(every)
    if isinstance(plain.inputs, FeatureInputs):
        values = plain.inputs.values[plain.inputs.rows]
    else:
        seed = seeds.derive(params.train.seed, "initialisation") % 2**32
        backbone = build_backbone(params.model.backbone, params.model.weights, seed, params.model.pool)
        values = decoupling.features(backbone, plain, params)
    types = subclasses.find(values, every.targets.numpy(), classes, params.model.subclasses, params.seed)
    of_tile = np.zeros(every.tiles.max() + 1, dtype=np.int64)
    of_tile[every.tiles] = types
    return (
        replace(drawn, targets=torch.from_numpy(of_tile[drawn.tiles])),
        replace(every, targets=torch.from_numpy(types)),
    )


def _shares_of_types(targets: Tensor, of: Sequence[int]) -> Tensor:
    """Return the log of the share of each type in the draws of its class."""
    counts = torch.bincount(targets, minlength=len(of)).double().clamp(min=0.5)
    classes = torch.tensor(of)
    totals = torch.zeros(of[-1] + 1, dtype=torch.float64).index_add(0, classes, counts)
    return (counts / totals[classes]).log().float()


def _width(examples: loop.Examples) -> int | None:
    """Count the features of a frozen backbone; `None` where examples are images."""
    return examples.inputs.values.shape[1] if isinstance(examples.inputs, FeatureInputs) else None


def _as_they_are(examples: loop.Examples) -> loop.Examples:
    if isinstance(examples.inputs, TileInputs):
        return replace(examples, inputs=replace(examples.inputs, on_the_fly="none"))
    return examples


def main(root: Path, params: Params) -> None:
    """Train on what earlier stages wrote."""
    opened = prior.read(root)
    drawn = _examples(root, "train", opened, params, drawn=True)
    every, val = (_examples(root, split, opened, params) for split in ("train", "val"))
    inputs = [root / draws.PATH, root / prior.PATH]
    inputs += [root / folder(split) for folder in (tiles.path, features.path) for split in ("train", "val")]
    if params.model.weights not in pretrained.KINDS:
        inputs.append(root / pretrained.path(params.model.weights))
    if params.train.fraction < 1:
        inputs.append(root / clusters.PATH)
    block = {"losses": params.losses[params.loss]}
    settings = [as_member(params, number).model_dump() | block for number in range(params.train.members)]
    with process_group.joined(pick_device(params.model.device)):
        kept = [checkpoints.Checkpoint(root, own, inputs) for own in settings]
        learned = learn_all(drawn, every, val, opened, params, kept)
        leads = process_group.rank() == 0
    if not leads:
        return
    card = describe(learned, opened, params, _width(drawn))
    first = learned[0]
    others = {f"best_epoch_{member}": own.summary["best_epoch"] for member, own in enumerate(learned) if member}
    training.write(root, first.history, first.summary | others)
    model.write(root, card, *(own.weights for own in learned))
    for checkpoint in kept:
        checkpoint.remove()
    for number, member in enumerate(learned):
        best = member.summary["best_epoch"]
        print(
            (f"member {number}: " if number else "")
            + f"{'last' if params.train.monitor == 'none' else 'best'} epoch {best + 1} of {len(member.history)}: "
            + ", ".join(f"{k} {v:.3g}" for k, v in member.history[best].items())
        )
    waited = sum(member.waited_frac for member in learned) / len(learned)
    print(f"waited for the loader in {waited:.1%} of the time of training")
    for line in card.ledger:
        if line.piece == "train.classifier":
            print(f"classifier {line.remedy}")


if __name__ == "__main__":
    run(main, Params)
