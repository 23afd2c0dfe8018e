"""Splitting and sampling for detection: the classes that an image or tile shows are its labels."""

from counterpoise.dataset.tasks.multilabel import (
    FEWER_DRAWS,
    NO_BALANCE,
    describe_draws,
    draw_factors,
    improve,
    members,
    pairs,
    strata,
)

__all__ = [
    "FEWER_DRAWS",
    "HAS_BOXES",
    "NO_BALANCE",
    "REFUSED_STRATEGIES",
    "describe_draws",
    "draw_factors",
    "improve",
    "members",
    "pairs",
    "strata",
]

HAS_BOXES = True
REFUSED_STRATEGIES: tuple[str, ...] = ()
