"""Work that threads do ahead of its consumer, in order and within bounds."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from counterpoise.dataset import cpus

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST_BYTES = 2**28
"""Results that wait for the consumer may take so many bytes; a single one may take more."""


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], most: int, size_bytes: Callable[[Result], int]
) -> Iterator[tuple[Item, Result]]:
    """Compute a function of each item in threads, one for each CPU, while the consumer works on earlier ones.

    Args:
        function: Must not raise.
        items: Read no further than needed.
        most: Items that are read ahead, at most.
        size_bytes: What a result takes.

    Yields:
        Each item with its result, in order.
    """
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    source, pool = iter(items), ThreadPoolExecutor(cpus.available())

    def has_room() -> bool:
        done = [future for _, future in waiting if future.done()]
        busy = len(waiting) - len(done)
        held = sum(size_bytes(future.result()) for future in done)
        return len(waiting) < most and busy < 2 * cpus.available() and held < MOST_BYTES

    try:
        with warnings.catch_warnings(action="ignore"):  # threads share the filters, which decoders set and reset
            while True:
                while has_room():
                    try:
                        item = next(source)
                    except StopIteration:
                        break
                    waiting.append((item, pool.submit(function, item)))
                if not waiting:
                    return
                item, future = waiting.popleft()
                yield item, future.result()
    finally:
        pool.shutdown(cancel_futures=True)
