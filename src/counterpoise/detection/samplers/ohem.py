"""Online hard example mining: the candidates with the largest losses, objects and background alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.detection.samplers import Candidates, Sample, hardest

if TYPE_CHECKING:
    from torch import Generator

NEEDS_LOSSES = True
OVERLAP = 0.7
"""Of candidates with a larger IoU, only the hardest is kept: they would count the same error many times."""
TRIED = 8
"""So many times the number of candidates wanted are compared with each other, those with the largest losses."""


def choose(candidates: Candidates, *, count: int, positive_frac: float, generator: Generator) -> Sample:
    """Choose the `count` hardest candidates after non-maximum suppression by their losses.

    Raises:
        ValueError: The candidates have no losses.

    Source: Shrivastava et al. (2016), Training Region-based Object Detectors with Online Hard Example Mining,
        section 4.2.
    """
    from torchvision.ops import nms

    if candidates.losses is None:
        raise ValueError("hard examples are chosen by their losses, and there are none")
    rows = (candidates.labels >= 0).nonzero()[:, 0]
    rows = hardest(rows, candidates.losses, TRIED * count)  # a dense detector has tens of thousands
    rows = rows[nms(candidates.boxes[rows].float(), candidates.losses[rows].float(), OVERLAP)]
    chosen = hardest(rows, candidates.losses, count)
    has_class = candidates.labels[chosen] > 0
    return Sample(chosen[has_class], chosen[~has_class])
