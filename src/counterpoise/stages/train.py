"""Train a model with the chosen loss.

Reads `data/draws.csv`, `data/prior.json`, `data/clusters.csv`, `data/pixels.json`, `data/tiles/{train,val}/`,
`data/features/{train,val}/`, and the file in `models/pretrained/` that `model.weights` names, if it names one. Writes
`models/model/` and `results/train/`.

An interrupted training resumes after its last epoch, and ends with the same weights. Members that are already trained
are not trained again. `torchrun --nproc-per-node 2 -m counterpoise.stages.train` trains with two processes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from counterpoise import losses
from counterpoise.artifacts import clusters, draws, features, model, pixels, tiles, training
from counterpoise.artifacts import prior as prior_file
from counterpoise.artifacts.prior import Prior
from counterpoise.dataset import subsampling
from counterpoise.engine.spread import name, together
from counterpoise.networks import pretrained
from counterpoise.stages import alone, run
from counterpoise.training.settings import Settings

if TYPE_CHECKING:
    from counterpoise.training.members import Member

ENDS_S = 120.0
"""How long processes of a driver that was killed may take to end."""


class Params(Settings):
    """What this stage reads."""


def _examples(root: Path, split: str, prior: Prior, params: Params, *, drawn: bool = False) -> Any:  # noqa: ANN401
    """Build the examples of a split: every tile once (for train the subset of `train.fraction`), or all samples."""
    from counterpoise.training.tasks import find

    part = tiles.read(root, split)
    if drawn:
        row = {tile_id: number for number, tile_id in enumerate(part.table["tile_id"])}
        table = draws.read(root, part)
        rows, views = np.array([row[tile_id] for tile_id in table["tile_id"]]), table["view"].to_numpy()
    elif split == "train" and params.train.fraction < 1:
        rows = subsampling.choose(part.table, clusters.units(root, part), params.train.fraction, params.seed)
        views = np.zeros(len(rows), dtype=np.int64)
    else:
        rows, views = np.arange(len(part.table)), np.zeros(len(part.table), dtype=np.int64)
    return find(prior.task).examples(root, split, part, rows, views, prior, params)


def _units(root: Path, params: Params) -> NDArray[np.str_] | None:
    """Read the unit of each sample where members are fitted on bootstraps of the units."""
    if params.train.solver == "adamw" or params.train.members == 1:
        return None
    part = tiles.read(root, "train")
    unit_of, image_of = (
        clusters.units(root, part),
        dict(zip(part.table["tile_id"], part.table["image_id"], strict=True)),
    )
    return np.array([unit_of[image_of[tile_id]] for tile_id in draws.read(root, part)["tile_id"]])


def main(root: Path, params: Params) -> None:
    """Train on what earlier stages wrote. A head on stored features takes less time than starting processes would."""
    train = partial(_train, root, params)
    if params.model.freeze == "backbone":
        train()
    else:
        together(root, train, most=_most(root, params), on_gpu=params.model.device in ("auto", "cuda"))


def _most(root: Path, params: Params) -> int:
    """Say how many processes can share a batch: each has two examples, for batch norm, or one compares all of them."""
    if losses.ranks(params.loss):
        return 1
    count = len(draws.read(root))
    return max(1, count // -(-count // params.train.batch_size) // 2)


def _train(root: Path, params: Params) -> None:
    """Train as one of the processes that were started; the first one keeps others out.

    Where a cluster started them, processes of a driver that was killed may be about to end.
    """
    rank = os.environ.get("RANK", "0")
    with (
        alone(root, "train", ENDS_S if "RANK" in os.environ or name() != "local" else 0.0)
        if rank == "0"
        else nullcontext()
    ):
        _fit(root, params)


def _fit(root: Path, params: Params) -> None:
    from counterpoise.engine import process_group  # imports torch, as those below do; `check` does without
    from counterpoise.networks import devices
    from counterpoise.training import checkpoints, tasks
    from counterpoise.training.members import as_member

    prior = prior_file.read(root)
    task = tasks.find(prior.task)
    found = pixels.read(root)
    drawn = _examples(root, "train", prior, params, drawn=True)
    natural, val = (_examples(root, split, prior, params) for split in ("train", "val"))
    inputs = [root / draws.PATH, root / prior_file.PATH]
    inputs += [root / folder(split) for folder in (tiles.path, features.path) for split in ("train", "val")]
    if params.model.weights not in pretrained.KINDS:
        inputs.append(root / pretrained.path(params.model.weights))
    units = _units(root, params)
    if params.train.fraction < 1 or units is not None:
        inputs.append(root / clusters.PATH)
    block = {"losses": params.losses[params.loss], "box_losses": params.box_losses[params.box_loss]}
    settings = [as_member(params, number).model_dump() | block for number in range(params.train.members)]
    with process_group.launch(devices.pick_device(params.model.device)):
        for other in process_group.of_all(devices.pick(params.model.device, params.model.precision)):
            devices.pick(params.model.device, params.model.precision, other)
        saved = [checkpoints.Checkpoint(root, own, inputs) for own in settings]
        members = task.fit_members(drawn, natural, val, prior, params, saved, units)
        leads = process_group.rank() == 0
    if not leads:
        return
    card = replace(task.describe(members, prior, params, drawn), pixels=found)
    others = {f"best_epoch_{number}": own.summary["best_epoch"] for number, own in enumerate(members) if number}
    training.write(root, members[0].history, members[0].summary | others)
    model.write(root, card, *(own.weights for own in members))
    for checkpoint in saved:
        checkpoint.remove()
    _report(members, card, params.train.monitor)


def _report(members: Sequence[Member], card: model.Card, monitor: str) -> None:
    """Print the kept epoch or penalty of each member with its metrics, and how long training waited for data."""
    for number, member in enumerate(members):
        best = member.summary["best_epoch"]
        step = "penalty" if "penalty" in member.history[best] else "epoch"
        print(
            (f"member {number}: " if number else "")
            + f"{'last' if monitor == 'none' else 'best'} {step} {best + 1} of {len(member.history)}: "
            + ", ".join(f"{k} {v:.3g}" for k, v in member.history[best].items())
        )
    waited = sum(member.waited_frac for member in members) / len(members)
    print(f"waiting for data: {waited:.1%} of the training time")
    for line in card.ledger:
        if line.piece == "train.classifier":
            print(f"classifier: {line.remedy}")


if __name__ == "__main__":
    run(main, Params)
