"""The batches of an epoch, and the parts of them that go through the network of this process."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from counterpoise import seeds
from counterpoise.config import PATH, InputError
from counterpoise.dataset.batch_samplers import Batches, drawn_before, progressive, shuffled, stratified
from counterpoise.dataset.inputs import Chance
from counterpoise.engine import process_group
from counterpoise.training.settings import Train


def order(targets: NDArray[np.int64], params: Train, epoch: int, strata: NDArray[np.int64] | None = None) -> Batches:
    """Deal the examples of an epoch to batches, the same in every process.

    Args:
        targets: (n,) class indices, or (n, c) in {0, 1}.
        params: Section `train`.
        epoch: From 0.
        strata: (n,) by which batches are stratified, as a loss over pairs or ranks needs; `None` for none.
    """
    rng = seeds.generator(params.seed, "order", epoch)
    if params.sampler == "progressive":
        return progressive(targets, epoch / max(params.epochs - 1, 1), params.batch_size, rng)
    if strata is not None:
        return stratified(strata, params.batch_size, rng)
    return shuffled(len(targets), params.batch_size, rng)


def parts(batch: NDArray[np.int64], accumulate: int) -> list[NDArray[np.int64]]:
    """Cut this process's share of a batch into the parts whose gradients are added up; a share may be empty.

    Process r of p takes every p-th example from the r-th on. No part is a single example if that can be helped, since
    batch norm knows no variance of it, and the number of parts is the same in every process.

    Example:
        >>> [part.tolist() for part in parts(np.arange(7), 2)]
        [[0, 1, 2, 3], [4, 5, 6]]
        >>> [part.tolist() for part in parts(np.arange(3), 4)]
        [[0, 1, 2]]
    """
    count = process_group.count()
    share, pieces = batch[process_group.rank() :: count], min(accumulate, len(batch) // (2 * count))
    return [part for part in np.array_split(share, max(1, pieces)) if len(part)]


def chance(order: Batches, params: Train, epoch: int) -> Chance:
    """Say what decides how this process's parts of an epoch are augmented: the same in one process as in many."""
    before = [part for times in drawn_before(order) for part in parts(times, params.accumulate)]
    return Chance(params.seed, epoch, before)


def check(network: nn.Module, order: Batches, loss: str, *, ranks: bool) -> None:
    """Refuse a loss that looks at pairs or ranks, which several processes would tear apart, and too small batches.

    Raises:
        InputError: Because of the loss; or because a process would see a single example, of which batch norm knows no
            variance.
    """
    count = process_group.count()
    if ranks and count > 1:
        raise InputError(
            f"{PATH}: loss {loss!r} looks at pairs of examples or at ranks within a batch, which {count} processes "
            "would tear apart; train it in one process"
        )
    least = min(map(len, order))
    if least < 2 * count and any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules()):
        size = "1 example" if least == 1 else f"{least} examples"
        sharing = f" for {count} processes" if count > 1 else ""
        raise InputError(
            f"{PATH}: the smallest batch has {size}{sharing}; batch norm knows no variance of a single one; raise "
            "train.batch_size"
        )
