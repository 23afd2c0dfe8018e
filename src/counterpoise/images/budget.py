"""An amount of memory that threads share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Budget:
    """Bytes that all threads share: whoever needs more than are free waits."""

    def __init__(self, size_bytes: int) -> None:
        self.free = size_bytes
        self.changed = threading.Condition()

    @contextmanager
    def taking(self, count: int) -> Iterator[None]:
        """Wait until so many bytes are free, and hold them meanwhile."""
        with self.changed:
            self.changed.wait_for(lambda: self.free >= count)
            self.free -= count
        try:
            yield
        finally:
            with self.changed:
                self.free += count
                self.changed.notify_all()
