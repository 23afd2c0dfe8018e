"""A driver of one task that is killed after it has sent parcels, and then runs again (`tests/test_cluster.py`)."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from counterpoise.config import InputError
from counterpoise.engine import ray_worker
from counterpoise.engine.spread import spread
from counterpoise.stages import ending_in_words

SENT_S = 3.0
"""How long parcels take to be sent."""


def numbers(root: Path, fails: bool, work: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Yield each number with as much beside it as a parcel holds; the process is killed in the middle, once."""
    killed = root / "killed"
    if killed.exists() and fails:
        raise InputError("the second run fails")
    for number in work:
        if number == 2 and not killed.exists():
            time.sleep(SENT_S)
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield number, bytes(ray_worker.RESULTS_BYTES)


if __name__ == "__main__":
    with ending_in_words():
        here, ending = Path.cwd(), sys.argv[1]
        function = partial(numbers, here, ending == "fails")
        print([number for number, _ in spread(here, function, portion=4, reads=lambda _: [])(range(4))])
