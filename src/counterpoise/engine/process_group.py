"""Data-parallel training: several processes, started by `torchrun`, train one network together.

Each process computes its share of every batch, and gradients are summed over processes. All processes then take the
same step that one process would take on the whole batch. With one process, the functions of this module do nothing.

Lightning Fabric sets up the process group: devices, nodes, backend. `Fabric.setup`, which wraps the network in
`DistributedDataParallel` (DDP), is not used, for four reasons. This module sums the gradients once per batch instead.

1. A share may be empty. DDP would wait forever for a process that computes nothing.
2. Shares may have different sizes. DDP averages over processes as if they were equal.
3. Losses may have trained parameters. DDP does not see them.
4. Running statistics are averaged over processes. DDP keeps those of the first process.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

from counterpoise.config import PATH, InputError

T = TypeVar("T")


@contextmanager
def launch(device: torch.device) -> Iterator[None]:
    """Join the process group that `torchrun` started: NCCL and one GPU per process on CUDA, otherwise Gloo.

    Raises:
        InputError: There are more processes than GPUs, or the device does not support several processes.
    """
    if distributed.is_initialized():  # by Ray Train, which chose the device and ends the group
        yield
        return
    world, local = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if world == 1:
        yield
        return
    if device.type == "cuda" and local > torch.cuda.device_count():
        raise InputError(
            f"torchrun started {local} processes on a machine with {torch.cuda.device_count()} GPUs, but each process "
            "needs a GPU; lower --nproc-per-node"
        )
    if device.type not in ("cuda", "cpu"):
        raise InputError(
            f"{PATH}: model.device is {device.type!r}, which supports only one training process; run the stage without "
            "torchrun, or set model.device to 'cuda' or 'cpu'"
        )
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # hide its messages on start
    environment = TorchElasticEnvironment()
    Fabric(
        accelerator=device.type, strategy="ddp", devices=local, num_nodes=world // local, plugins=environment
    ).launch()
    try:
        yield
    finally:
        distributed.destroy_process_group()


def count() -> int:
    """Count the processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Return the number of this process, from 0. Only process 0 writes files."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def synchronised(network: nn.Module, device: torch.device) -> nn.Module:
    """On CUDA, compute batch norm statistics over the whole batch. On the CPU, torch supports only each share."""
    if count() == 1 or device.type != "cuda":
        return network
    import timm.layers

    result: nn.Module = timm.layers.convert_sync_batchnorm(network)  # type: ignore[attr-defined, no-untyped-call]
    return result


def add_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Replace the gradient of every trained parameter by its sum over processes; `None` stays if no process has one."""
    if count() == 1:
        return
    trained = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    there = torch.tensor([float(p.grad is not None) for p in trained], device=trained[0].device)
    distributed.all_reduce(there, distributed.ReduceOp.MAX)
    known = [p for p, flag in zip(trained, there.tolist(), strict=True) if flag]
    for parameter in known:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    add([parameter.grad for parameter in known])


def average_buffers(*modules: nn.Module) -> None:
    """Replace buffers, such as the running statistics of batch norm, by their mean over processes."""
    buffers = [buffer for module in modules for buffer in module.buffers() if buffer.is_floating_point()]
    add(buffers)
    for buffer in buffers if count() > 1 else []:
        buffer /= count()


def add(tensors: Sequence[Tensor]) -> None:
    """Replace tensors of one data type by their sums over processes, with one all-reduce."""
    if count() == 1 or not tensors:
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    distributed.all_reduce(flat)
    for tensor, added in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(added.view(tensor.shape))


def shard(items: Sequence[T]) -> list[T]:
    """Return the items of a list that this process computes: the r-th of p parts of nearly equal length."""
    bounds = [len(items) * number // count() for number in (rank(), rank() + 1)]
    return list(items[slice(*bounds)])


def gather(own: Tensor) -> Tensor:
    """Collect the rows that each process computed for its `shard` items, in the original order, on the CPU."""
    if count() == 1:
        return own
    return torch.cat(of_all(own.cpu()))


def of_all(own: T) -> list[T]:
    """Collect a value of each process, in all of them."""
    values = [own] * count()
    if count() > 1:
        distributed.all_gather_object(values, own)
    return values


def broadcast(value: T) -> T:
    """Return the value of the first process in all processes, so that all make the same decisions."""
    if count() == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]
