"""Hard negative mining: every positive, and three times as much of the background with the largest losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.detection.samplers import Candidates, Sample, hardest, of_kinds

if TYPE_CHECKING:
    from torch import Generator

NEEDS_LOSSES = True
RATIO = 3
"""Negatives for each positive."""
LEAST_NEGATIVES = 16
"""Negatives of an image without objects, which must teach, too."""


def choose(candidates: Candidates, *, count: int, positive_frac: float, generator: Generator) -> Sample:
    """Choose all positives, and the hardest negatives: 3 for each positive, but at least 16.

    Raises:
        ValueError: The candidates have no losses.

    Source: Liu et al. (2016), SSD: Single Shot MultiBox Detector, section 2.2. There an image without objects teaches
        nothing; here it has the least number of negatives.
    """
    if candidates.losses is None:
        raise ValueError("hard negatives are chosen by their losses, and there are none")
    positives, negatives = of_kinds(candidates.labels)
    return Sample(positives, hardest(negatives, candidates.losses, max(RATIO * len(positives), LEAST_NEGATIVES)))
