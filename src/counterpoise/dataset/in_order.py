"""Jobs in threads whose results come in order, within a stated amount of memory."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def run(jobs: Iterable[tuple[int, Callable[[], T]]], threads: int, limit_bytes: int) -> Iterator[T]:
    """Run jobs in threads, and yield their results in order.

    A job begins once there is room for it beside those whose results are not yet yielded; one that takes more than
    the limit runs alone. Jobs are taken from `jobs`, and thus made, by the thread that asks for results.

    Args:
        jobs: What each takes, in bytes, and the job.
        threads: How many run at a time.
        limit_bytes: What they may take together.
    """
    pool, waiting, taken = ThreadPoolExecutor(threads), deque[tuple[int, Future[T]]](), 0
    try:
        with warnings.catch_warnings(action="ignore"):  # threads share the filters, which decoders set and reset
            for cost, job in jobs:
                while waiting and (taken + cost > limit_bytes or len(waiting) > 2 * threads):
                    done, future = waiting.popleft()
                    yield future.result()
                    taken -= done
                    del future
                waiting.append((cost, pool.submit(job)))
                taken += cost
            while waiting:
                yield waiting.popleft()[1].result()
    finally:
        pool.shutdown(cancel_futures=True)
