"""The batches of an epoch, and the parts of each batch that this process computes."""

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
    """Split the examples of an epoch into batches, which are the same in every process.

    Args:
        targets: (n,) class indices, or (n, c) in {0, 1}.
        params: Section `train`.
        epoch: Number of the epoch, from 0.
        strata: (n,) strata of the examples, for losses over pairs or rankings; `None` for unstratified batches.
    """
    rng = seeds.generator(params.seed, "order", epoch)
    if params.sampler == "progressive":
        return progressive(targets, epoch / max(params.epochs - 1, 1), params.batch_size, rng)
    if strata is not None:
        return stratified(strata, params.batch_size, rng)
    return shuffled(len(targets), params.batch_size, rng)


def parts(batch: NDArray[np.int64], accumulate: int) -> list[NDArray[np.int64]]:
    """Split this process's share of a batch into the parts of gradient accumulation. A share may be empty.

    Process r of p takes every p-th example, starting at example r. The number of parts is the same in every process. If
    possible, no part is a single example, because batch norm cannot compute its variance.

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
    """Return the seeds of augmentation for this process's parts. They do not depend on the number of processes."""
    before = [part for times in drawn_before(order) for part in parts(times, params.accumulate)]
    return Chance(params.seed, epoch, before)


def check(network: nn.Module, order: Batches, loss: str, *, ranks: bool) -> None:
    """Check that the loss supports several processes, and that batches are large enough for batch norm.

    Batch norms whose statistics are frozen, which are in evaluation mode while the network trains, take any batch.

    Raises:
        InputError: The loss compares examples of a batch, which several processes would split up. Or a process would
            get a single example, whose variance batch norm cannot compute.
    """
    count = process_group.count()
    if ranks and count > 1:
        raise InputError(
            f"{PATH}: loss {loss!r} compares the examples of a batch, but each of {count} processes sees only a part; "
            "train in one process, without torchrun, or choose another loss"
        )
    least = min(map(len, order))
    norms = (module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm))
    if least < 2 * count and any(norm.training for norm in norms):
        size = "1 example" if least == 1 else f"{least} examples"
        sharing = f" for {count} processes" if count > 1 else ""
        raise InputError(
            f"{PATH}: the smallest batch has {size}{sharing}, but batch norm needs at least 2 per process; raise "
            "train.batch_size"
        )
