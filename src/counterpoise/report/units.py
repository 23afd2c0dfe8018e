"""Supports of figures in images and in units, and how the report writes them.

A unit is what counts as one observation: the images of one group, or near duplicates of each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts import metrics
from counterpoise.metrics import intervals
from counterpoise.report.texts import PointEstimate, write_count

FEW = 10
"""A rate over fewer units is too uncertain to be useful."""
ROUGH = metrics.ROUGH_UNITS
"""No sentence compares a figure that is based on fewer units."""
LEAST = 2
"""With fewer units there is no interval."""
MEANING = "Images of one group, or near duplicates, are one unit: they count as one observation."


@dataclass(frozen=True)
class Support:
    """What a figure is based on.

    Attributes:
        images: Number of images.
        units: Number of units that these images come from.
    """

    images: int
    units: int

    @property
    def few(self) -> bool:
        """Whether there are too few units for a useful figure."""
        return self.units < FEW

    @property
    def rough(self) -> bool:
        """Whether there are too few units for any comparison."""
        return self.units < ROUGH

    @property
    def text(self) -> str:
        """The number of images, and that of units if it differs.

        Example:
            >>> Support(6, 1).text, Support(21, 21).text
            ('6 images of 1 unit', '21 images')
        """
        return self.of("image")

    def of(self, noun: str) -> str:
        """Write the numbers, with a word for the images.

        Example:
            >>> Support(1, 1).of("test image"), Support(21, 20).of("alarm")
            ('1 test image', '21 alarms of 20 units')
        """
        images = _plural(self.images, noun)
        return images if self.images == self.units else f"{images} of {_plural(self.units, 'unit')}"

    @property
    def note(self) -> str:
        """The number of units in brackets if it differs from that of the images, or is too small.

        Example:
            >>> Support(21, 21).note, Support(21, 20).note, Support(6, 3).note, Support(4, 4).note
            ('', ' (20 units)', ' (only 3 units)', ' (only 4 units)')
        """
        if self.images and self.rough:
            return f" (only {_plural(self.units, 'unit')})"
        return "" if self.images == self.units else f" ({_plural(self.units, 'unit')})"

    def behind(self, estimate: PointEstimate) -> str:
        """Write a figure with its interval and this support; say so if it has no interval.

        Example:
            >>> Support(21, 20).behind(PointEstimate(0.43, 0.24, 0.63))
            '0.43 [0.24, 0.63], n = 21 (20 units)'
            >>> Support(6, 1).behind(PointEstimate(0.34))
            '0.34, no interval, n = 6 (only 1 unit)'
        """
        missing = ", no interval" if estimate.value is not None and estimate.interval is None else ""
        return f"{estimate.text}{missing}, n = {write_count(self.images)}{self.note}"


def grouped_share(successes: NDArray[np.bool_], units: NDArray[np.int64]) -> tuple[float, float]:
    """Compute Wilson's 95 % interval of a share of images, shape (n,), that come from units.

    Example:
        >>> [round(end, 2) for end in grouped_share(np.array([True, False, True, False]), np.arange(4))]
        [0.15, 0.85]
    """
    effect = intervals.cautious_design_effect(successes, units)
    low, high = intervals.wilson(int(successes.sum()), len(successes), design_effect=effect)
    return float(low), float(high)


def _plural(number: int, noun: str) -> str:
    return f"{write_count(number)} {noun if number == 1 else noun + 's'}"
