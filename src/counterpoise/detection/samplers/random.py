"""Random sampling: so many positives at most, filled up with background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.detection.samplers import Candidates, Sample, of_kinds, some

if TYPE_CHECKING:
    from torch import Generator

NEEDS_LOSSES = False


def choose(candidates: Candidates, *, count: int, positive_frac: float, generator: Generator) -> Sample:
    """Choose at most `count * positive_frac` positives at random, and fill up to `count` with random background.

    Source: Girshick (2015), Fast R-CNN, section 2.3.

    Example:
        >>> import torch
        >>> candidates = Candidates(torch.tensor([1] * 4 + [0] * 2000), torch.zeros(2004), torch.zeros(2004, 4))
        >>> sample = choose(candidates, count=256, positive_frac=0.5, generator=torch.Generator())
        >>> len(sample.positives), len(sample.negatives)
        (4, 252)
    """
    positives, negatives = of_kinds(candidates.labels)
    positives = some(positives, int(count * positive_frac), generator)
    return Sample(positives, some(negatives, count - len(positives), generator))
