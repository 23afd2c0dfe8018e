import threading
import time
from collections.abc import Callable, Iterator

import pytest

from counterpoise.dataset import in_order


def test_results_come_in_order_whatever_takes_longest():
    def job(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number

    jobs = ((1, lambda number=number: job(number)) for number in range(30))
    assert list(in_order.run(jobs, 4, 100)) == list(range(30))


@pytest.mark.parametrize("limit", [1, 10, 25])
def test_what_is_begun_and_not_yet_yielded_stays_within_the_limit(limit):
    lock, begun, most = threading.Lock(), [0], [0]

    def job() -> None:
        with lock:
            begun[0] += 10
            most[0] = max(most[0], begun[0])

    for _ in in_order.run(((10, job) for _ in range(40)), 4, limit):
        with lock:
            begun[0] -= 10
    assert most[0] <= max(limit, 10) // 10 * 10


def test_an_error_of_a_job_is_raised_and_later_jobs_are_not_made():
    made = []

    def jobs() -> Iterator[tuple[int, Callable[[], float]]]:
        for number in range(1000):
            made.append(number)
            yield 1, lambda: 1 // 0

    with pytest.raises(ZeroDivisionError):
        list(in_order.run(jobs(), 2, 100))
    assert len(made) < 20
