"""How many threads compute where the work is too small to share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import threadpoolctl

GIVEN_BY = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables of the environment in which a user may state the number of threads."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, unless the user stated a number of threads.

    A step of a head on stored features takes less than a millisecond, and so do the sums behind a resampled figure. For
    more threads, waiting for each other costs more than they save; beside a busy process it costs many times as
    much (`benchmarks/threads.py`).
    """
    if any(os.environ.get(name) for name in GIVEN_BY):
        yield
        return
    import sys

    torch = sys.modules.get("torch")  # where it is not loaded, it computes nothing
    before = torch.get_num_threads() if torch else 1
    with threadpoolctl.threadpool_limits(limits=1):
        if torch:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(before)
