"""Train one model with the chosen loss.

Reads `data/draws.csv`, `data/prior.json`, and of train and val `data/tiles/` and `data/features/`. Writes
`models/model/` and `results/train/`.
A training that was killed goes on from its last epoch and ends with the same weights. `torchrun --nproc-per-node 2 -m
counterpoise.stages.train` trains in two processes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from counterpoise import checkpoints, decoupling, fitting, labels, loading, models, objectives, priors, processes
from counterpoise.artifacts import draws, features, model, prior, tiles, training
from counterpoise.config import PATH, InputError
from counterpoise.stages import run

Params = fitting.Settings
"""What this stage reads."""


def _examples(root: Path, split: str, opened: prior.Prior, params: Params, *, drawn: bool = False) -> fitting.Examples:
    """Read every tile of a split as it is, or the draws: their features where the backbone is frozen."""
    part = tiles.read(root, split)
    row = {tile_id: number for number, tile_id in enumerate(part.table["tile_id"])}
    if drawn:
        table = draws.read(root)
        rows, views = np.array([row[tile_id] for tile_id in table["tile_id"]]), table["view"].to_numpy()
    else:
        rows, views = np.arange(len(part.table)), np.zeros(len(part.table), dtype=np.int64)
    read_labels = labels.indicators if opened.task == "multilabel" else labels.targets
    targets = torch.from_numpy(read_labels(part.table["labels"].tolist(), opened.classes)[rows].astype(np.int64))
    frozen = features.read(root, split)
    if frozen is not None:
        place = {
            key: number for number, key in enumerate(zip(frozen.index["tile_id"], frozen.index["view"], strict=True))
        }
        tile_ids = part.table["tile_id"].to_numpy()[rows]
        found = np.array([place[key] for key in zip(tile_ids, views, strict=True)])
        return fitting.Examples(loading.FeatureInputs(frozen.values, found), targets)
    inputs = loading.TileInputs(
        tiles=part,
        rows=rows,
        views=views,
        input_px=params.model.input_px,
        policy=params.oversample.policy,
        seed=params.seed,
        on_the_fly=params.train.augment if split == "train" else "none",
        backbone=params.model.backbone,
    )
    return fitting.Examples(inputs, targets)


def schedule_lines(params: fitting.Train) -> tuple[priors.Line, ...]:
    """Return the lines of the ledger for what changes the prior in the course of training; none where nothing does.

    A head that is retrained afterwards has seen nothing of it.
    """
    switches = [("train.sampler", params.sampler, "as_drawn"), ("train.mix", params.mix, "none")]
    if params.classifier == "retrained":
        return ()
    return tuple(priors.Line(piece, value, None) for piece, value, usual in switches if value != usual)


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
    ledger: tuple[priors.Line, ...]
    history: list[dict[str, float]]
    summary: dict[str, int]
    waited_frac: float


def learn(
    drawn: fitting.Examples,
    every: fitting.Examples,
    val: fitting.Examples,
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
    goal, lines = objectives.build(opened, params.loss, params.losses[params.loss], params.weighting)
    bias = objectives.initial_bias(opened, lines, draws_deferred=params.oversample.defer_frac > 0)
    network = fitting.build(params, len(opened.classes), _width(drawn), bias)
    fitted = fitting.fit(network, drawn, val, goal, params, checkpoint, early=every)
    network.load_state_dict(fitted.weights)
    lines, summary = (*lines, *schedule_lines(params.train)), {"best_epoch": fitted.best_epoch}
    if params.train.classifier == "retrained":
        if not isinstance(network, models.Network):
            raise InputError(f"{PATH}: train.classifier 'retrained' needs model.freeze 'none'")
        again, lines = decoupling.retrain(network, _as_they_are(every), val, opened, params)
        return Learned(
            again.weights, lines, fitted.history, summary | {"classifier_epoch": again.best_epoch}, fitted.waited_frac
        )
    if params.train.classifier == "tau_normalised":
        weights, line = decoupling.renormalise(network, val, params)
        return Learned(weights, (*lines, line), fitted.history, summary, fitted.waited_frac)
    return Learned(fitted.weights, lines, fitted.history, summary, fitted.waited_frac)


def _width(examples: fitting.Examples) -> int | None:
    """Count the features of a frozen backbone; `None` where examples are images."""
    return examples.inputs.values.shape[1] if isinstance(examples.inputs, loading.FeatureInputs) else None


def _as_they_are(examples: fitting.Examples) -> fitting.Examples:
    if isinstance(examples.inputs, loading.TileInputs):
        return replace(examples, inputs=replace(examples.inputs, on_the_fly="none"))
    return examples


def main(root: Path, params: Params) -> None:
    """Train on what earlier stages wrote."""
    opened = prior.read(root)
    drawn = _examples(root, "train", opened, params, drawn=True)
    every, val = (_examples(root, split, opened, params) for split in ("train", "val"))
    inputs = [root / draws.PATH, root / prior.PATH]
    inputs += [root / folder(split) for folder in (tiles.path, features.path) for split in ("train", "val")]
    settings = params.model_dump() | {"losses": params.losses[params.loss]}
    checkpoint = checkpoints.Checkpoint(root, settings, inputs)
    with processes.joined(models.pick_device(params.model.device)):
        learned = learn(drawn, every, val, opened, params, checkpoint)
        first = processes.rank() == 0
    if not first:
        return
    card = model.Card(
        task=opened.task,
        backbone=params.model.backbone,
        head=params.model.head,
        dropout=params.model.dropout,
        input_px=params.model.input_px,
        frozen=_width(drawn) is not None,
        backbone_weights=params.model.weights,
        classes=opened.classes,
        loss=params.loss,
        ledger=learned.ledger,
    )
    training.write(root, learned.history, learned.summary)
    model.write(root, card, learned.weights)
    checkpoint.remove()
    best = learned.summary["best_epoch"]
    print(
        f"best epoch {best + 1} of {len(learned.history)}: "
        + ", ".join(f"{k} {v:.3g}" for k, v in learned.history[best].items())
    )
    print(f"waited for the loader in {learned.waited_frac:.1%} of the time of training")
    for line in learned.ledger:
        if line.piece == "train.classifier":
            print(f"classifier {line.remedy}")


if __name__ == "__main__":
    run(main, Params)
