"""Images with boxes: split and drawn by the classes that they show, as images with any number of labels."""

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

__all__ = ["FEWER_DRAWS", "NO_BALANCE", "describe_draws", "draw_factors", "improve", "members", "pairs", "strata"]

MEASURED_AGAINST_ABSENCE = False  # an object is found or missed, and every image shows background
REFUSED_STRATEGIES: tuple[str, ...] = ()
