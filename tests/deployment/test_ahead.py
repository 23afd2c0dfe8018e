"""Threads work ahead, in order, no further than they may."""

import threading
import time
from collections.abc import Iterator

import pytest

from counterpoise.dataset import cpus
from counterpoise.deployment import ahead


def test_results_come_in_the_order_of_the_items_although_threads_end_in_another() -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0)
        return item * item

    found = list(ahead.in_order(slow_first, range(10), 4, lambda _: 1))
    assert found == [(item, item * item) for item in range(10)]


@pytest.mark.parametrize(("most", "size"), [(3, 1), (1000, 2**28)])
def test_items_are_read_no_further_than_asked_for(most: int, size: int) -> None:
    read = 0

    def items() -> Iterator[int]:
        nonlocal read
        for item in range(1000):
            read += 1
            yield item

    done = threading.Event()
    results = ahead.in_order(lambda item: item, items(), most, lambda _: size)
    for number in range(20):
        assert next(results)[0] == number
        done.wait(0.002)
        assert read <= number + 1 + min(most, 2 * cpus.available() + 1)
    results.close()  # type: ignore[attr-defined]
    assert read < 1000
