"""Several processes that train one network together, started by `torchrun`.

Each takes its share of every batch; gradients are added up, so that all take the step that one process would have
taken on the whole batch. Where there is one process, nothing here does anything.

Lightning Fabric launches the group: devices, nodes, backend. `Fabric.setup`, which wraps the network in
`DistributedDataParallel`, breaks four things, so that gradients are added up here, once a batch. A
share may be empty, where the wrapper would wait for ever for a process that computes nothing. Shares may be uneven,
where it averages over processes. Parameters of a loss are trained, too, which it does not see. Running statistics are
averaged, where it takes those of the first process.
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
    """Meet the other processes that `torchrun` started: by nccl on CUDA, each with a GPU of its own, else by gloo.

    Raises:
        InputError: There are more processes than GPUs, or the device is one that processes cannot share.
    """
    world, local = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if world == 1:
        yield
        return
    if device.type == "cuda" and local > torch.cuda.device_count():
        raise InputError(
            f"torchrun started {local} processes on a machine with {torch.cuda.device_count()} GPUs; lower "
            "--nproc-per-node"
        )
    if device.type not in ("cuda", "cpu"):
        raise InputError(
            f"{PATH}: model.device is {device.type!r}, where one process alone can train; leave torchrun out"
        )
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces the group
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
    """Say which of them this one is, from 0, which alone writes files."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def synchronised(network: nn.Module, device: torch.device) -> nn.Module:
    """Let batch norm look at the whole batch, on CUDA; on the CPU, where torch cannot, at each process's share."""
    if count() == 1 or device.type != "cuda":
        return network
    import timm.layers

    result: nn.Module = timm.layers.convert_sync_batchnorm(network)  # type: ignore[attr-defined, no-untyped-call]
    return result


def add_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Replace the gradient of every trained parameter by its sum over processes; one that no process has stays away."""
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
    """Replace what modules remember (of batch norm, the running mean and variance) by its mean over processes."""
    buffers = [buffer for module in modules for buffer in module.buffers() if buffer.is_floating_point()]
    add(buffers)
    for buffer in buffers if count() > 1 else []:
        buffer /= count()


def add(tensors: Sequence[Tensor]) -> None:
    """Replace tensors of one type by their sums over processes, in one message."""
    if count() == 1 or not tensors:
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    distributed.all_reduce(flat)
    for tensor, added in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(added.view(tensor.shape))


def shard(items: Sequence[T]) -> list[T]:
    """Pick those items of a list that are this process's to compute: the r-th of p pieces of nearly equal length."""
    bounds = [len(items) * number // count() for number in (rank(), rank() + 1)]
    return list(items[slice(*bounds)])


def gather(own: Tensor) -> Tensor:
    """Put the rows that each process computed of its `shard` items in their order again, on the CPU."""
    if count() == 1:
        return own
    rows = [own] * count()
    distributed.all_gather_object(rows, own.cpu())
    return torch.cat(rows)


def broadcast(value: T) -> T:
    """Take over what the first process holds, so that all decide alike."""
    if count() == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]
