"""A Ray cluster: how this process joins it, what its nodes have, and which of them may compute."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from counterpoise.config import InputError
from counterpoise.engine import ray_worker
from counterpoise.engine.ray_worker import Needs
from counterpoise.engine.work import ENGINE

ADDRESS = "RAY_ADDRESS"
ANSWER_S = 10.0
"""How long the head of the cluster may take to answer."""
RETRIES = 5
"""How often a task is run again after its process or its node was lost."""
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How an HTTP/2 connection begins (RFC 9113), which the head of a cluster speaks."""


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
            f"{ENGINE} is 'ray', but Ray is not installed; run `pip install 'counterpoise[ray]'`, or unset {ENGINE}"
        ) from error
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        found = f"{ADDRESS} is {address!r}" if address else f"{ADDRESS} is not set"
        raise InputError(
            f"{ENGINE} is 'ray', but {found}; expected host:port of the head of a cluster that this machine belongs "
            f"to, as `ray start --head` prints it; or unset {ENGINE} to compute on this machine alone"
        )
    if (fault := _silence(host.strip("[]"), int(port))) is not None:
        raise InputError(
            f"{ADDRESS} is {address!r}, but {fault}; start the cluster (`ray start --head` there), correct the "
            f"address, or unset {ENGINE} to compute on this machine alone"
        )
    os.environ.setdefault("RAY_task_oom_retries", str(RETRIES))  # by default, for ever
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


def shares(on_gpu: bool) -> Needs:
    """Say how many CPUs and GPUs a task takes.

    A task takes a CPU; or, where there are GPUs, one of them and the CPUs that every node has for each of its GPUs.

    Raises:
        InputError: The cluster has no CPUs.
    """
    found = nodes()
    if with_gpus := [(cpus, gpus) for cpus, gpus in found if on_gpu and gpus >= 1 and cpus >= 1]:
        return Needs(max(1, min(int(cpus // gpus) for cpus, gpus in with_gpus)), 1)
    if not any(cpus >= 1 for cpus, _ in found):
        raise InputError(f"the cluster of {ADDRESS} has no CPUs for tasks; start a node with `ray start --num-cpus`")
    return Needs(1, 0)


def room(needs: Needs) -> int:
    """Count the tasks that the nodes could run at a time, if they had no other work."""
    found = nodes()
    return sum(int(min(cpus // needs.cpus, gpus // needs.gpus if needs.gpus else cpus)) for cpus, gpus in found)


def one_gpu_each() -> bool:
    """Say whether no node has several GPUs: a process stays on the first that it uses, whichever its next task has."""
    return all(gpus <= 1 for _, gpus in nodes())


def is_here(needs: Needs) -> bool:
    """Say whether the node of this process has so many CPUs and GPUs."""
    import ray

    own = ray.get_runtime_context().get_node_id()
    here = next(node["Resources"] for node in ray.nodes() if node["NodeID"] == own)
    return bool(here.get("CPU", 0.0) >= needs.cpus and here.get("GPU", 0.0) >= needs.gpus)


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


def on_node(module: str, name: str) -> Callable[..., Any]:
    """Return a function for processes of nodes, which calls one of this package.

    Being defined here, it is pickled as code, and not as a name. So a node that lacks this package, or has another
    version of it, can say so.

    Args:
        module: The module to import there.
        name: The function in it. Its last argument is the address of the node.

    Returns:
        A function that raises `ImportError` where this process and the node differ in what decides results.
    """
    here = ray_worker.versions()

    def call(*arguments: Any) -> Any:  # noqa: ANN401 - those of any function
        from importlib import import_module

        import ray as package

        node = package.util.get_node_ip_address()
        try:
            there = import_module("counterpoise.engine.ray_worker").versions()
            function = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ImportError(f"node {node} cannot import what this machine can: {error}") from None
        differing = [
            f"{key} {there.get(key, 'is missing')} instead of {here.get(key, 'none')}"
            for key in sorted({*there, *here})
            if there.get(key) != here.get(key)
        ]
        if differing:
            raise ImportError(f"node {node} has other packages than this machine: {', '.join(differing)}")
        return function(*arguments, node)

    return call


def refused(error: ImportError) -> InputError:
    """Say what to do about a node that lacks what this machine has."""
    return InputError(f"{error}; install the same packages on all nodes, and start Ray there again")
