"""The engine that runs cells on one machine: a pool of processes that end when the study does."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from counterpoise.config import InputError

if TYPE_CHECKING:
    from counterpoise.study.cells import Done, Engine, Job


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
