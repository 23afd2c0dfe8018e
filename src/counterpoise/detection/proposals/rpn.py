"""Plain proposals: those of a region proposal network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Params(Section):
    """Parameters of `detector.proposals: rpn`."""


def extra(truth: Tensor, params: Params, generator: Generator) -> None:
    """Return `None`: the second stage learns from the proposals of the first alone."""
