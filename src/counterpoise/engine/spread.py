"""Where work is computed: by this process, or spread over the nodes of a Ray cluster.

The environment variable `COUNTERPOISE_ENGINE` chooses. It is no parameter, since results do not depend on it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from counterpoise.config import InputError
from counterpoise.engine.work import ENGINE, Function, R_co

NAMES = ("local", "ray")


def name() -> str:
    """Return the engine: `local` or `ray`.

    Raises:
        InputError: The environment names another one.
    """
    found = os.environ.get(ENGINE) or "local"
    if found not in NAMES:
        raise InputError(f"{ENGINE} is {found!r}; expected one of {list(NAMES)}")
    return found


def spread(
    root: Path,
    function: Function[Any, R_co],
    *,
    portion: int,
    reads: Callable[[Any], Iterable[Path]],
    on_gpu: bool = False,
    any_order: bool = False,
    label: str = "",
) -> Function[Any, R_co]:
    """Let the chosen engine run a function: the function itself on this machine, or one that asks the cluster.

    Args:
        root: The repository. All nodes see it under the same path, or there is a store.
        function: Can be pickled. What it keeps on its first call in a process is there on the next one.
        portion: How much of the work is a task of the cluster.
        reads: Lists the files of the repository that a portion reads, which nodes fetch where there is a store.
        on_gpu: Whether it computes on a GPU where the cluster has one.
        any_order: Whether results come when they are computed; otherwise they come in the order of the work.
        label: Text of a progress bar of the cluster; empty where the caller shows one.

    Raises:
        InputError: There is no such engine, the cluster does not answer, or the store cannot be used.
    """
    if name() == "local":
        return function
    from counterpoise.engine import ray_tasks  # imports Ray, an extra

    return ray_tasks.spread(
        root, function, portion=portion, reads=reads, on_gpu=on_gpu, any_order=any_order, label=label
    )


def together(root: Path, function: Callable[[], None], *, most: int, on_gpu: bool) -> None:
    """Train one network: in this process, in those that `torchrun` started, or in several on the chosen cluster.

    Where nodes read a store instead of the repository, it trains in this process: the processes of a training write.

    Args:
        root: The repository. All nodes see it under the same path.
        function: Can be pickled. Every process calls it; it joins the process group (`process_group.launch`), goes on
            from its checkpoint, and lets the first process write.
        most: How many processes may share a batch.
        on_gpu: Whether it computes on GPUs where the cluster has them.

    Raises:
        InputError: There is no such engine, or the cluster does not answer or has no room.
    """
    from counterpoise.engine import store

    if "RANK" in os.environ or name() == "local" or store.of_environment() is not None:
        function()
        return
    from counterpoise.engine import ray_train

    ray_train.together(root, function, most=most, on_gpu=on_gpu)


def cpus() -> int:
    """Count the CPUs of the cluster.

    Raises:
        InputError: It does not answer.
    """
    from counterpoise.engine import ray_cluster

    ray_cluster.connect()
    return ray_cluster.cpus()
