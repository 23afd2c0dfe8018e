"""What runs the cells of a study: a pool of processes that end when the study does, or the nodes of a cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path

from counterpoise import storage
from counterpoise.config import InputError
from counterpoise.engine import spread
from counterpoise.study import tasks
from counterpoise.study.cells import Done, Engine, Job


def choose(root: Path, jobs: int) -> tuple[Engine, int]:
    """Return the engine that the environment chooses, and how many cells it computes at a time.

    Args:
        root: The repository.
        jobs: Processes on this machine; a cluster computes as many cells as it has CPUs.

    Raises:
        InputError: There is no such engine, or the cluster does not answer.
    """
    if spread.name() == "local":
        return in_processes(jobs), jobs
    return partial(_in_cluster, root), spread.cpus()


def _in_cluster(root: Path, function: Callable[[Job], Done], jobs: Sequence[Job]) -> Iterator[Done]:
    """Compute each cell as a task, and write what it found here once it has ended, since nodes write nothing."""
    on_gpu, job_of = any(_needs_gpu(job) for job in jobs), {job.path.name: job for job in jobs}
    found = spread.spread(root, partial(_each, function), portion=1, reads=_files, on_gpu=on_gpu, any_order=True)
    for name, fault, content in found(list(jobs)):
        job = job_of[name]
        if content is not None:
            with storage.replacing(job.path) as temporary:
                temporary.write_bytes(content)
        yield Done(job, fault)


def _files(jobs: Sequence[Job]) -> Iterator[Path]:
    """List what cells read."""
    for job in jobs:
        yield from tasks.find(job.cell.content["task"]).files(job)


def _needs_gpu(job: Job) -> bool:
    """Say whether a cell should have a GPU where there are some: a head on stored features is as fast without."""
    model = job.cell.content["model"]
    return bool(model["device"] == "cuda" or (model["device"] == "auto" and model["freeze"] != "backbone"))


def _each(function: Callable[[Job], Done], jobs: Sequence[Job]) -> Iterator[tuple[str, str | None, bytes | None]]:
    """Yield, for each cell, the name of its file, why it failed, and what the file holds if it did not."""
    for job in jobs:
        with tempfile.TemporaryDirectory() as folder:
            own = replace(job, path=Path(folder) / job.path.name)
            fault = function(own).fault
            yield own.path.name, fault, own.path.read_bytes() if fault is None else None


def in_processes(count: int) -> Engine:
    """Make the engine that runs cells in a pool of so many processes.

    If the study ends early (Ctrl-C, `kill -9`, a full disk), whatever still trains ends at once.
    """

    def run(function: Callable[[Job], Done], jobs: Sequence[Job]) -> Iterator[Done]:
        context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
        of_children, of_study = context.Pipe(duplex=False)
        size = min(count, max(1, len(jobs)))
        with ProcessPoolExecutor(size, context, _end_with_study, (of_children,)) as pool:
            try:
                with _interrupts_held():
                    futures = [pool.submit(function, job) for job in jobs]
                for future in as_completed(futures):
                    yield future.result()
            except BaseException as error:
                of_study.close()
                pool.shutdown(cancel_futures=True)
                if isinstance(error, BrokenProcessPool):
                    fewer = " with fewer --jobs" if count > 1 else ", with more memory"
                    raise InputError(
                        f"a process of the study was killed, perhaps for want of memory; run it again{fewer} "
                        "(finished trainings are kept)"
                    ) from error
                raise

    return run


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back; processes that begin meanwhile never see it, so that the study alone answers, in words."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_study(of_children: Connection) -> None:
    """End this process when the study closes its end of the pipe, which the system does for it after `kill -9`."""
    # A spawned process would spawn those that decode its images as well, each with seconds of imports.
    multiprocessing.set_start_method(None, force=True)

    def end() -> None:
        wait([of_children])
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()
