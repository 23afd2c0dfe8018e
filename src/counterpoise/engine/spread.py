"""Where work is computed: by this process, or spread over the nodes of a Ray cluster.

The environment variable `COUNTERPOISE_ENGINE` chooses. It is no parameter, since results do not depend on it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from counterpoise.config import InputError
from counterpoise.engine.work import VARIABLE, Function, R_co

NAMES = ("local", "ray")


def name() -> str:
    """Return the engine: `local` or `ray`.

    Raises:
        InputError: The environment names another one.
    """
    found = os.environ.get(VARIABLE) or "local"
    if found not in NAMES:
        raise InputError(f"{VARIABLE} is {found!r}; expected one of {list(NAMES)}")
    return found


def spread(
    root: Path,
    function: Function[Any, R_co],
    *,
    portion: int,
    reads: Callable[[Any], Iterable[Path]],
    on_gpu: bool = False,
    every: bool = False,
    label: str = "",
) -> Function[Any, R_co]:
    """Let the chosen engine run a function: the function itself on this machine, or one that asks the cluster.

    Args:
        root: The repository. All nodes see it under the same path, or there is a store.
        function: Can be pickled. What it keeps on its first call in a process is there on the next one.
        portion: How much of the work is a task of the cluster.
        reads: Lists the files of the repository that a portion reads, which nodes fetch where there is a store.
        on_gpu: Whether it computes on a GPU where the cluster has one.
        every: Whether all tasks begin at once, and results come when they are there; otherwise they come in order, and
            a few tasks are ahead of the one whose results are taken.
        label: Text of a progress bar of the cluster; empty where the caller shows one.

    Raises:
        InputError: There is no such engine, the cluster does not answer, or the store cannot be used.
    """
    if name() == "local":
        return function
    from counterpoise.engine import ray  # imports the package of this name, an extra

    return ray.spread(root, function, portion=portion, reads=reads, on_gpu=on_gpu, every=every, label=label)


def cpus() -> int:
    """Count the CPUs of the cluster.

    Raises:
        InputError: It does not answer.
    """
    from counterpoise.engine import ray

    ray.connect()
    return ray.cpus()
