"""One training in memory, from settings, artifacts and seeds to a decision and logits.

The stages' own pure functions are composed here, once, for everything that trains many times: the learning curve and
the scripts of `benchmarks/`. Nothing is written.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from counterpoise import config, tasks
from counterpoise.artifacts import classes, clusters, decision, features, model, positive, predictions, prior, tiles
from counterpoise.config import Section
from counterpoise.dataset import subsampling
from counterpoise.evaluation import scores
from counterpoise.networks import devices, network
from counterpoise.stages import decide, oversample, predict, train
from counterpoise.training import examples
from counterpoise.training.members import describe, fit_members

S = TypeVar("S", bound=Section)


@dataclass(frozen=True)
class Split:
    """The tiles of a split.

    Attributes:
        tiles: Their index, and where they lie.
        features: Of these tiles, in their order; `None` where nothing is frozen.
    """

    tiles: tiles.Tiles
    features: features.Features | None


@dataclass(frozen=True)
class Data:
    """Artifacts in memory.

    Attributes:
        classes: The classes, with their natural counts.
        units: image_id -> what must not be separated.
        splits: By name; `train` and `val`, and `test` where it is needed.
        positive: The class that matters.
    """

    classes: classes.Classes
    units: Mapping[str, str]
    splits: Mapping[str, Split]
    positive: positive.Positive


@dataclass(frozen=True)
class Draws:
    """What a training learns from.

    Attributes:
        tiles: The part of train that is learned from.
        table: One epoch: a row per draw, columns `tile_id` and `view`.
        prior: Counts before and after drawing, with the first lines of the ledger.
    """

    tiles: tiles.Tiles
    table: pd.DataFrame
    prior: prior.Prior


@dataclass(frozen=True)
class Outcome:
    """A trained model, used.

    Attributes:
        card: Of the model.
        decision: Chosen on validation.
        predictions: Raw logits of every split but train, by its name.
    """

    card: model.Card
    decision: decision.Decision
    predictions: Mapping[str, predictions.Predictions]


def changed(content: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Set parameters by their dotted names, as `dvc exp run -S` would.

    Args:
        content: As `config.load` returns it; it is not changed.
        changes: Dotted name -> value.

    Raises:
        KeyError: There is no such parameter.

    Example:
        >>> changed({"train": {"epochs": 60, "seed": 0}}, {"train.epochs": 5})
        {'train': {'epochs': 5, 'seed': 0}}
    """
    result = copy.deepcopy(dict(content))
    for name, value in changes.items():
        *above, last = name.split(".")
        block = result
        for key in above:
            block = block[key]
        if last not in block:
            raise KeyError(f"{name} is no parameter")
        block[last] = value
    return result


def read(root: Path, names: Sequence[str]) -> Data:
    """Read the artifacts that `dvc repro` built.

    Args:
        root: A repository.
        names: The splits that are needed; no file of another is read.

    Raises:
        ArtifactError: The pipeline was not run yet.
    """
    parts = {name: tiles.read(root, name) for name in names}
    splits = {name: Split(part, features.read(root, name, part)) for name, part in parts.items()}
    return Data(classes.read(root), clusters.units(root, *parts.values()), splits, positive.read(root))


def run(content: Mapping[str, Any], data: Data, seed: int) -> Outcome:
    """Draw, train, predict and decide.

    Args:
        content: Parameters; `train.seed` decides initialisation and order, and `seed` the views, as in the stages.
        data: Artifacts.
        seed: Decides the draws, and the part of train if `train.fraction` is below 1.

    Raises:
        InputError: Settings do not suit each other, or the training diverged.
    """
    return learn(content, data, draw(content, data, seed))


def draw(content: Mapping[str, Any], data: Data, seed: int) -> Draws:
    """Choose the part of train that is learned from, and draw one epoch of it; arguments as those of `run`."""
    params = _section(oversample.Params, content)
    whole = data.splits["train"].tiles
    rows = subsampling.choose(whole.table, data.units, params.train.fraction, seed)
    part = replace(whole, table=whole.table.iloc[rows].reset_index(drop=True))
    table, counts = oversample.draw(part.table, data.classes, params.oversample, seed, task=params.task)
    return Draws(part, table, counts)


def learn(content: Mapping[str, Any], data: Data, draws: Draws) -> Outcome:
    """Train on draws, predict every other split, and decide on validation.

    Args:
        content: Parameters, as those of `run`.
        data: Artifacts.
        draws: Of the train split of `data`.
    """
    card, members = _train(_section(train.Params, content), data, draws)
    fold, units = _section(predict.Params, content).predict.aggregate, dict(data.units)
    logits = {
        name: predict.aggregate(split.tiles.table, apply(content, card, members, split), units, card.classes, fold)
        for name, split in data.splits.items()
        if name != "train"
    }
    params = _section(decide.Params, content)
    matters = decide.Matters(data.positive, params.evaluate.at_prevalence)
    choice = decide.choose(logits["val"], draws.prior, card.ledger, params.decide, matters)
    return Outcome(card, choice, logits)


def apply(
    content: Mapping[str, Any], card: model.Card, members: Sequence[nn.Module], split: Split
) -> NDArray[np.float32]:
    """Compute the (n, c) raw logits of the n tiles of a split.

    Args:
        content: Parameters, of which sections `model` (where it runs) and `predict` are used.
        card: Of the model.
        members: Its networks.
        split: Tiles, and features where the backbone is frozen.
    """
    params = _section(predict.Params, content)
    compute = devices.pick(params.model.device, params.model.precision)
    return predict.logits_of(card, members, split.tiles, split.features, params.predict, compute)


def _train(params: train.Params, data: Data, draws: Draws) -> tuple[model.Card, list[nn.Module]]:
    frozen, val = data.splits["train"].features, data.splits["val"]
    row = {tile_id: number for number, tile_id in enumerate(draws.tiles.table["tile_id"])}
    rows = np.array([row[tile_id] for tile_id in draws.table["tile_id"]], dtype=np.int64)
    drawn = examples.from_tiles(draws.tiles, frozen, rows, draws.table["view"].to_numpy(), draws.prior, params, "train")
    each = examples.from_tiles(draws.tiles, frozen, *_once(draws.tiles), draws.prior, params, "train")
    monitored = examples.from_tiles(val.tiles, val.features, *_once(val.tiles), draws.prior, params, "val")
    units = np.array([data.units[image_id] for image_id in draws.tiles.table["image_id"]])[rows]
    members = fit_members(drawn, each, monitored, draws.prior, params, units=units)
    card = describe(members, draws.prior, params.loss, params.model, None if frozen is None else frozen.values.shape[1])
    return card, [network.rebuild(card, member.weights) for member in members]


def _once(part: tiles.Tiles) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number every tile once, as its view 0."""
    return np.arange(len(part.table)), np.zeros(len(part.table), dtype=np.int64)


def evaluate(outcome: Outcome, split: str) -> tuple[dict[str, scores.Variant], NDArray[np.int64] | NDArray[np.bool_]]:
    """Use the logits of a split in three variants, `raw`, `calibrated` and `decided`; see `scores.variants`.

    Returns:
        Probabilities and decisions of each, and the targets of the images: (n,) classes, or (n, c) labels.
    """
    logits = outcome.predictions[split]
    targets = tasks.find(outcome.decision.task).encode(logits.labels, logits.classes)
    return scores.variants(logits.logits.astype(np.float64), outcome.decision), targets


def _section(section: type[S], content: Mapping[str, Any]) -> S:
    """Take what a stage reads."""
    return config.validate(section, {key: content[key] for key in section.model_fields})
