"""What an engine asks of the work that it spreads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, Self, TypeVar

ENGINE = "COUNTERPOISE_ENGINE"
"""Variable of the environment that names the engine."""
R_co = TypeVar("R_co", covariant=True)


class Work(Protocol):
    """What can be done in portions, such as a list of jobs. A slice of it is complete in itself, and small."""

    def __len__(self) -> int:
        """Count what is to be done."""

    def __getitem__(self, portion: slice, /) -> Self:
        """Take a portion."""


W_contra = TypeVar("W_contra", bound=Work, contravariant=True)
Function = Callable[[W_contra], Iterator[R_co]]
"""Does some work, and yields its results in order. Done in portions, the results are the same, one after the other."""
