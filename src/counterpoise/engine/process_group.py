"""Several processes that train one network together, started by `torchrun`.

Each takes its share of every batch; gradients are added up, so that all take the step that one process would have
taken on the whole batch. Where there is one process, nothing here does anything.

Gradients are added up once a batch, and not by `DistributedDataParallel`, which averages over processes whatever their
shares: here shares may be uneven or empty, and parameters of a loss take part, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn

from counterpoise.config import PATH, InputError

T = TypeVar("T")


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Meet the other processes that `torchrun` started: by nccl on CUDA, each with a GPU of its own, else by gloo.

    Raises:
        InputError: There are more processes than GPUs, or the device is one that processes cannot share.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if device.type == "cuda":
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise InputError(
                f"torchrun started process {local + 1} on a machine with {torch.cuda.device_count()} GPUs; lower "
                "--nproc-per-node"
            )
        torch.cuda.set_device(local)
    elif device.type != "cpu":
        raise InputError(
            f"{PATH}: model.device is {device.type!r}, where one process alone can train; leave torchrun out"
        )
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def count() -> int:
    """Count the processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Say which of them this one is, from 0, which alone writes files."""
    return distributed.get_rank() if distributed.is_initialized() else 0


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
    share, pieces = batch[rank() :: count()], min(accumulate, len(batch) // (2 * count()))
    return [part for part in np.array_split(share, max(1, pieces)) if len(part)]


def check(network: nn.Module, order: Sequence[NDArray[np.int64]], loss: str, *, ranks: bool) -> None:
    """Refuse a loss that looks at pairs or ranks, which several processes would tear apart, and too small batches.

    Raises:
        InputError: Because of the loss; or because a process would see a single example, of which batch norm knows no
            variance.
    """
    if ranks and count() > 1:
        raise InputError(
            f"{PATH}: loss {loss!r} looks at pairs of examples or at ranks within a batch, which {count()} processes "
            "would tear apart; train it in one process"
        )
    least = min(map(len, order))
    if least < 2 * count() and any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules()):
        found = "1 example" if least == 1 else f"{least} examples"
        sharing = f" for {count()} processes" if count() > 1 else ""
        raise InputError(
            f"{PATH}: the smallest batch has {found}{sharing}; batch norm knows no variance of a single one; raise "
            "train.batch_size"
        )


def synchronised(network: nn.Module, device: torch.device) -> nn.Module:
    """Let batch norm look at the whole batch, on CUDA; on the CPU, where torch cannot, at each process's share."""
    if count() == 1 or device.type != "cuda":
        return network
    import timm.layers

    result: nn.Module = timm.layers.convert_sync_batchnorm(network)  # type: ignore[attr-defined, no-untyped-call]
    return result


def add_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its sum over processes; one that no process has stays away."""
    if count() == 1:
        return
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    there = torch.tensor([float(parameter.grad is not None) for parameter in trained], device=trained[0].device)
    distributed.all_reduce(there, distributed.ReduceOp.MAX)
    gradients = []
    for parameter, known in zip(trained, there.tolist(), strict=True):
        if known:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
    _reduce(gradients)


def average_buffers(*modules: nn.Module) -> None:
    """Replace what modules remember (of batch norm, the running mean and variance) by its mean over processes."""
    if count() == 1:
        return
    buffers = [buffer for module in modules for buffer in module.buffers() if buffer.is_floating_point()]
    _reduce(buffers)
    for buffer in buffers:
        buffer /= count()


def _reduce(tensors: Sequence[Tensor]) -> None:
    """Replace tensors of one type by their sums over processes, in one message."""
    if not tensors:
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    distributed.all_reduce(flat)
    for tensor, added in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(added.view(tensor.shape))


def added(value: Tensor) -> Tensor:
    """Add a number up over processes."""
    if count() > 1:
        distributed.all_reduce(value)
    return value


def shared(items: Sequence[T]) -> list[T]:
    """Pick those items of a list that are this process's to compute: the r-th of p pieces of nearly equal length."""
    bounds = [len(items) * number // count() for number in (rank(), rank() + 1)]
    return list(items[slice(*bounds)])


def together(own: Tensor) -> Tensor:
    """Put the rows that each process computed of its `shared` items in their order again, on the CPU."""
    if count() == 1:
        return own
    rows = [own] * count()
    distributed.all_gather_object(rows, own.cpu())
    return torch.cat(rows)


def of_the_first(value: T) -> T:
    """Take over what the first process holds, so that all decide alike."""
    if count() == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]
