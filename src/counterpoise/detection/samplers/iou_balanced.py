"""IoU-balanced sampling: background that overlaps objects is chosen as often as the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.detection.samplers import Candidates, Sample, of_kinds, some

if TYPE_CHECKING:
    from torch import Generator, Tensor

NEEDS_LOSSES = False
BINS = 3
"""Bins of equal width between 0 and the largest IoU of the background."""


def choose(candidates: Candidates, *, count: int, positive_frac: float, generator: Generator) -> Sample:
    """Choose positives at random, and as many negatives of each bin of IoU; what a bin lacks comes at random.

    Source: Pang et al. (2019), Libra R-CNN: Towards Balanced Learning for Object Detection, section 3.1, with 3 bins.
    """
    positives, negatives = of_kinds(candidates.labels)
    positives = some(positives, int(count * positive_frac), generator)
    return Sample(positives, _balanced(negatives, candidates.ious, count - len(positives), generator))


def _balanced(rows: Tensor, ious: Tensor, count: int, generator: Generator) -> Tensor:
    import torch

    if count >= len(rows):
        return rows
    largest = ious[rows].max().clamp_min(torch.finfo(torch.float32).tiny)
    bins = (ious[rows] / largest * BINS).long().clamp_max(BINS - 1)
    parts = [some(rows[bins == number], count // BINS, generator) for number in range(BINS)]
    chosen = torch.cat(parts)
    rest = rows[~torch.isin(rows, chosen)]
    return torch.cat([chosen, some(rest, count - len(chosen), generator)])
