"""Uncertainty weights: each loss has a learned weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor, nn

NEEDS_POSITIVE: str | None = "the weight of a negative loss would grow without end"


class Params(Section):
    """Parameters of `detector.task_weights: uncertainty`."""


@cache
def _module() -> type[nn.Module]:
    import torch
    from torch import nn

    class Uncertainty(nn.Module):
        """The sum of exp(-s_i) L_i + s_i over the losses, with a learned s_i that starts at 0."""

        def __init__(self, keys: Sequence[str]) -> None:
            super().__init__()
            self.keys = tuple(keys)
            self.log_variances = nn.Parameter(torch.zeros(len(keys)))

        def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
            if set(losses) != set(self.keys):
                raise ValueError(f"losses are {sorted(losses)}; expected {sorted(self.keys)}")
            values = torch.stack([losses[key] for key in self.keys])
            return (torch.exp(-self.log_variances) * values + self.log_variances).sum()

    return Uncertainty


def build(keys: Sequence[str], params: Params) -> nn.Module:
    """Return the sum of exp(-s_i) L_i + s_i, an `nn.Module` whose s_i are parameters of the optimiser.

    At s = 0, where they start, it is the plain sum. The best s_i is log L_i, so that a large loss gets a small weight.
    The s_i should have no weight decay, which would pull the weights to 1.

    Args:
        keys: Of the losses, in the order of the s_i.
        params: None.

    Raises:
        ValueError: When called with other keys.

    Source: Kendall et al. (2018), Multi-Task Learning Using Uncertainty to Weigh Losses, section 3.2, with
        s_i = log sigma_i^2 and both its halves left out.
    """
    return _module()(keys)
