"""Portions of work as tasks of a Ray cluster, whose results come back in order.

Tasks are plain functions, not actors. If a node is lost, Ray runs its tasks again on the others; an actor would wait
for another node with room for it. What an actor would hold, such as a network, stays in the process that ran a task.
"""

from __future__ import annotations

import pickle
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from counterpoise.config import InputError
from counterpoise.engine import ray_cluster, ray_worker, store
from counterpoise.engine.ray_worker import Needs, Parcel
from counterpoise.engine.work import Function, Work

R = TypeVar("R")
PARCELS = 4
"""Parcels that a task computes before they are taken, so that results wait in the memory of the nodes."""
AHEAD = 64
"""Tasks that wait for a process where results may come in any order, so that nodes that join have work at once."""
LOOKS_S = 10.0
"""How often to look whether the cluster can still run what is waited for."""
ABSENT_S = 60.0
"""How long to wait for a node that could; one that restarts joins within this time."""


def spread(
    root: Path,
    function: Function[Any, R],
    *,
    portion: int,
    reads: Callable[[Any], Iterable[Path]],
    on_gpu: bool,
    any_order: bool,
    label: str,
) -> Function[Any, R]:
    """Return a function that lets the cluster do some work; arguments as those of `engine.spread.spread`.

    Raises:
        InputError: Ray is not installed, the cluster does not answer, or the store cannot be used.
    """
    kept = store.of_environment()
    ray_cluster.connect()
    key, pickled = uuid.uuid4().hex, ray_worker.pickled(function, root)
    main = getattr(sys.modules["__main__"].__spec__, "name", "__main__")

    def packed(work: Work) -> bytes:
        return ray_worker.pickled((work, kept.put(root, reads(work)) if kept else []), root)

    def run(work: Work) -> Iterator[R]:
        needs, said = ray_cluster.shares(on_gpu), set[str]()
        begins = range(0, max(1, len(work)), portion)  # no work is one portion, whose results may have a shape
        portions = (packed(work[begin : begin + portion]) for begin in begins)
        with (
            nullcontext("") if kept else ray_cluster.token(root) as seen,
            tqdm(total=len(begins), desc=label, unit="task", delay=1, mininterval=1, disable=not label) as progress,
        ):
            url = kept.url if kept else ""
            setup = ray_worker.Setup((key, pickled), str(root.absolute()), seen, url, main, needs)
            for parcels in _tasks(setup, portions, in_order=not any_order):
                yield from _results(parcels, needs, said)
                progress.update()

    return run


def _tasks(setup: ray_worker.Setup, portions: Iterable[bytes], *, in_order: bool) -> Iterator[Any]:
    """Run a task for each portion, and yield their parcels, task by task, in order or the first that is there."""
    import ray

    needs = setup.needs
    options = {
        "num_cpus": needs.cpus,
        "num_gpus": needs.gpus,
        "max_calls": 0 if ray_cluster.one_gpu_each() else 1,
        "max_retries": ray_cluster.RETRIES,
        "num_returns": "streaming",
        "scheduling_strategy": "SPREAD",
        "_generator_backpressure_num_objects": PARCELS,
    }
    compute = ray_cluster.on_node(ray_worker.__name__, ray_worker.compute.__name__)

    def work(*arguments: bytes) -> Iterator[bytes]:  # inside this function, as `on_node` says
        yield from compute(*arguments)

    task, shared = ray.remote(**options)(work), ray.put(pickle.dumps(setup))
    waiting: list[Any] = []

    def taken() -> Iterator[Any]:
        one = waiting[0] if in_order else _first(waiting, needs)
        yield one
        waiting.remove(one)

    try:
        for portion in portions:
            while len(waiting) >= max(2 * ray_cluster.room(needs), 1 if in_order else AHEAD):
                yield from taken()
            waiting.append(task.remote(shared, portion))
        while waiting:
            yield from taken()
    finally:
        for begun in waiting:
            with suppress(Exception):  # the cluster may be gone
                ray.cancel(begun)


def _results(parcels: Iterator[Any], needs: Needs, said: set[str]) -> Iterator[Any]:
    """Take the results of one task.

    Args:
        parcels: What `ray_worker.compute` yields, as references.
        needs: What the task takes of its node.
        said: What tasks have written to standard error, of which each line is shown once.

    Raises:
        InputError: A node lacks what it needs, no node is left for the task, or its process was lost again and again.
        ArtifactError: A file is damaged.
        OSError: A node could not write or read.
    """
    count, is_whole = 0, False
    while not is_whole:
        parcel = _next(parcels, needs)
        if parcel.begins != count:  # what was sent before a node was lost is not sent again
            raise _cut_off()
        if isinstance(parcel.content, Exception):
            raise parcel.content
        yield from map(pickle.loads, parcel.content)
        count, is_whole = count + len(parcel.content), parcel.is_last
        for line in parcel.said.splitlines():
            if line not in said:
                said.add(line)
                print(line, file=sys.stderr)


def _next(parcels: Iterator[Any], needs: Needs) -> Parcel:
    """Take the next parcel of a task; errors as those of `_results`."""
    import ray

    lost = ray.exceptions
    try:
        content: bytes = ray.get(_first([next(_first([parcels], needs))], needs))
    except (StopIteration, lost.StreamingGeneratorReplayInconsistentError):
        raise _cut_off() from None
    except lost.RayTaskError as error:
        if isinstance(error.cause, ImportError):
            raise ray_cluster.refused(error.cause) from None
        raise
    except lost.OutOfDiskError as error:
        raise InputError(
            "the disk of a node is full where Ray keeps results that wait, in its --temp-dir; free some space "
            "there, and run it again"
        ) from error
    except (lost.WorkerCrashedError, lost.OutOfMemoryError, lost.NodeDiedError, lost.ObjectLostError) as error:
        raise InputError(
            f"a task was lost {ray_cluster.RETRIES + 1} times, as its process or its node was killed, perhaps for want "
            "of memory (`ray list tasks` and the logs of Ray say more); run it again"
        ) from error
    parcel: Parcel = pickle.loads(content)
    return parcel


def _cut_off() -> InputError:
    """Say that a task which ran again after a loss ended otherwise than it had begun, such as with an error.

    Ray drops what comes in the place of a parcel that it has delivered, the error too.
    """
    return InputError(
        "a task failed when it ran again, after its process or its node was lost; run it again, which continues from "
        "what is finished, or says why it fails"
    )


def _first(references: Sequence[Any], needs: Needs) -> Any:  # noqa: ANN401 - a reference
    """Wait for the first of some references, or of the next ones of generators.

    Raises:
        InputError: No node is left that can run what is waited for.
    """
    import ray

    since_s = time.monotonic()
    while True:
        if found := ray.wait(references, timeout=LOOKS_S)[0]:
            return found[0]
        if ray_cluster.room(needs):
            since_s = time.monotonic()
        elif time.monotonic() - since_s > ABSENT_S:
            gpu = " and a GPU" if needs.gpus else ""
            raise InputError(
                f"the cluster of {ray_cluster.ADDRESS} has no node left with {needs.cpus} CPUs{gpu}, which a task "
                "takes; start one with `ray start`, and run it again"
            )
