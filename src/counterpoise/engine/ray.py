"""A Ray cluster as the engine: portions of work as tasks, whose results come back in order.

Tasks are plain functions, not actors. If a node is lost, Ray runs its tasks again on the others; an actor would wait
for another node with room for it. What an actor would hold, such as a network, stays in the process that ran a task.
"""

from __future__ import annotations

import os
import pickle
import socket
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from counterpoise.config import InputError
from counterpoise.engine import ray_worker, store
from counterpoise.engine.work import VARIABLE, Function, Work

R = TypeVar("R")
ADDRESS = "RAY_ADDRESS"
ANSWER_S = 10.0
"""How long the head of the cluster may take to answer."""
RETRIES = 5
"""How often a task is run again after its process or its node was lost."""
PARCELS = 4
"""Parcels that a task computes before they are taken, so that results wait in the memory of the nodes."""
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How an HTTP/2 connection begins (RFC 9113), which the head of a cluster speaks."""


def spread(
    root: Path,
    function: Function[Any, R],
    *,
    portion: int,
    reads: Callable[[Any], Iterable[Path]],
    on_gpu: bool,
    every: bool,
    label: str,
) -> Function[Any, R]:
    """Return a function that lets the cluster do some work; arguments as those of `engine.spread.spread`.

    Raises:
        InputError: Ray is not installed, the cluster does not answer, or the store cannot be used.
    """
    kept = store.of_environment()
    connect()
    key, pickled = uuid.uuid4().hex, ray_worker.pickled(function, root)
    main = getattr(sys.modules["__main__"].__spec__, "name", "__main__")

    def packed(work: Work) -> bytes:
        return ray_worker.pickled((work, kept.put(root, reads(work)) if kept else []), root)

    def run(work: Work) -> Iterator[R]:
        cpus, gpus, at_a_time = shares(on_gpu)
        begins = range(0, max(1, len(work)), portion)  # no work is one portion, whose results may have a shape
        portions = (packed(work[begin : begin + portion]) for begin in begins)
        with (
            nullcontext("") if kept else token(root) as seen,
            tqdm(total=len(begins), desc=label, unit="task", delay=1, mininterval=1, disable=not label) as progress,
        ):
            versions = ray_worker.versions()
            url = kept.url if kept else ""
            setup = ray_worker.Setup((key, pickled), str(root.absolute()), seen, url, main, versions, cpus)
            needs = {"num_cpus": cpus, "num_gpus": gpus}
            most = len(begins) if every else 2 * at_a_time
            for parcels in _tasks(setup, portions, most, needs, in_order=not every):
                yield from _results(parcels)
                progress.update()

    return run


def _tasks(
    setup: ray_worker.Setup, portions: Iterable[bytes], most: int, needs: dict[str, int], *, in_order: bool
) -> Iterator[Any]:
    """Run a task for each portion, and yield their parcels, task by task, in order or the first that is there."""
    import ray

    options = {
        **needs,
        "max_calls": 0,  # a process that holds a network serves many tasks, on a GPU too
        "max_retries": RETRIES,
        "num_returns": "streaming",
        "scheduling_strategy": "SPREAD",
        "_generator_backpressure_num_objects": PARCELS,
    }
    task, shared = ray.remote(**options)(_task()), ray.put(setup)
    waiting: list[Any] = []

    def taken() -> Iterator[Any]:
        one = waiting[0] if in_order else ray.wait(waiting, fetch_local=False)[0][0]
        yield one
        waiting.remove(one)

    try:
        for portion in portions:
            if len(waiting) >= most:
                yield from taken()
            waiting.append(task.remote(shared, portion))
        while waiting:
            yield from taken()
    finally:
        for begun in waiting:
            with suppress(Exception):  # the cluster may be gone
                ray.cancel(begun)


def _task() -> Any:  # noqa: ANN401 - a generator function
    """Return what a task runs. Being defined here, it is pickled as code, and runs where this package is missing."""

    def work(setup: Any, portion: bytes) -> Iterator[Any]:  # noqa: ANN401
        import ray as package

        node = package.util.get_node_ip_address()
        try:
            from counterpoise.engine.ray_worker import compute
        except ImportError as error:
            yield f"node {node} cannot import what this machine can: {error}"
            return
        yield from compute(setup, portion, node)

    return work


def _results(parcels: Iterator[Any]) -> Iterator[Any]:
    """Take the results of one task.

    Raises:
        InputError: A node lacks what it needs, or the process of the task was killed again and again.
        ArtifactError: A file is damaged.
        OSError: A node could not write or read.
    """
    import ray

    while True:
        try:
            parcel = ray.get(next(parcels))
        except StopIteration:
            return
        except ray.exceptions.OutOfDiskError as error:
            raise InputError(
                "the disk of a node is full where Ray keeps results that wait, in its --temp-dir; free some space "
                "there, and run it again"
            ) from error
        except (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.OutOfMemoryError,
            ray.exceptions.NodeDiedError,
            ray.exceptions.ObjectLostError,
        ) as error:
            raise InputError(
                f"a task was lost {RETRIES + 1} times, as its process or its node was killed, perhaps for want of "
                "memory (`ray list tasks` and the logs of Ray say more); run it again"
            ) from error
        if isinstance(parcel, str):
            raise InputError(f"{parcel}; install the same packages on all nodes, and start Ray there again")
        content = pickle.loads(parcel)
        if isinstance(content, Exception):
            raise content
        yield from map(pickle.loads, content)


@cache
def connect() -> None:
    """Connect this process to the cluster of `RAY_ADDRESS`.

    Raises:
        InputError: Ray is not installed, there is no address, or the cluster does not answer.
    """
    address = os.environ.get(ADDRESS, "")
    try:
        import ray
    except ImportError as error:
        raise InputError(
            f"{VARIABLE} is 'ray', but Ray is not installed; run `pip install 'counterpoise[ray]'`, or unset {VARIABLE}"
        ) from error
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        found = f"{ADDRESS} is {address!r}" if address else f"{ADDRESS} is not set"
        raise InputError(
            f"{VARIABLE} is 'ray', but {found}; expected host:port of the head of a cluster that this machine belongs "
            f"to, as `ray start --head` prints it; or unset {VARIABLE} to compute on this machine alone"
        )
    if (fault := _silence(host.strip("[]"), int(port))) is not None:
        raise InputError(
            f"{ADDRESS} is {address!r}, but {fault}; start the cluster (`ray start --head` there), correct the "
            f"address, or unset {VARIABLE} to compute on this machine alone"
        )
    try:
        ray.init(address=address, logging_level="ERROR", log_to_driver=False)
    except (OSError, RuntimeError, ValueError) as error:  # what Ray raises for another version, or for no node here
        raise InputError(f"{ADDRESS} is {address!r}, but Ray cannot join: {' '.join(str(error).split())}") from error


def _silence(host: str, port: int) -> str | None:
    """Say why no head of a cluster answers at an address; Ray itself would try for a minute, and end the process."""
    try:
        with socket.create_connection((host, port), ANSWER_S) as connection:
            if os.environ.get("RAY_USE_TLS", "0") == "1":
                return None
            connection.sendall(PREFACE)
            answer = connection.recv(9)
    except OSError as error:
        return f"nobody answers there ({error.strerror or error})"
    return None if answer[3:4] == b"\x04" else "what answers there is not Ray"


def cpus() -> int:
    """Count the CPUs of the cluster."""
    return int(sum(cpus for cpus, _ in nodes()))


def nodes() -> list[tuple[float, float]]:
    """List the CPUs and GPUs of every node."""
    import ray

    found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [(node.get("CPU", 0.0), node.get("GPU", 0.0)) for node in found]


def shares(on_gpu: bool) -> tuple[int, int, int]:
    """Say how many CPUs and GPUs a task takes, and how many tasks can run at a time.

    A task takes a CPU; or, where there are GPUs, one of them and the CPUs that every node has for each of its GPUs.

    Raises:
        InputError: The cluster has no CPUs.
    """
    found = nodes()
    with_gpus = [(cpus, gpus) for cpus, gpus in found if on_gpu and gpus >= 1 and cpus >= 1]
    if with_gpus:
        own = max(1, min(int(cpus // gpus) for cpus, gpus in with_gpus))
        return own, 1, int(sum(min(gpus, cpus // own) for cpus, gpus in with_gpus))
    if not (count := int(sum(cpus for cpus, _ in found))):
        raise InputError(f"the cluster of {ADDRESS} has no CPUs for tasks; start a node with `ray start --num-cpus`")
    return 1, 0, count


def is_here(cpus: int, gpus: int) -> bool:
    """Say whether the node of this process has so many CPUs and GPUs."""
    import ray

    own = ray.get_runtime_context().get_node_id()
    here = next(node["Resources"] for node in ray.nodes() if node["NodeID"] == own)
    return bool(here.get("CPU", 0.0) >= cpus and here.get("GPU", 0.0) >= gpus)


@contextmanager
def token(root: Path) -> Iterator[str]:
    """Write a file that nodes look for, to see whether they have the same folder."""
    path = root / ".checkpoints" / f"ray-{uuid.uuid4().hex}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    try:
        yield path.relative_to(root).as_posix()
    finally:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # unfinished work may lie beside it
            path.parent.rmdir()
