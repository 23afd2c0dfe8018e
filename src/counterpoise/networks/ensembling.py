"""Several networks, or several views of one picture, that speak as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from counterpoise.calibration import links
from counterpoise.networks.tta import View


def average(logits: Sequence[Tensor], how: str, task: str) -> Tensor:
    """Average what several networks, or several views, say.

    `logits`: the mean of the logits, of which softmax makes the normalised geometric mean of the probabilities. A
    factor that each of them holds for the prior is that of the mean, so that the ledger stays exact. `probabilities`:
    the mean of the probabilities, as logits again, log p or log p - log (1 - p). The mean of posteriors that were all
    moved by one factor is not the mean of the posteriors moved by it, so that the ledger holds approximately, the
    better the more alike they are.

    Args:
        logits: k times (n, c).
        how: `logits` or `probabilities`.
        task: What the labels mean.

    Returns:
        (n, c); what was given where k is 1. Logits that are finite give logits that are.

    Raises:
        ValueError: `how` is none of these.

    Example:
        >>> one, other = torch.tensor([[0.0]]), torch.tensor([[3.0]]).log()  # probabilities 1/2 and 3/4
        >>> average([one, other], "probabilities", "multilabel").exp()  # 5/8 has odds of 5 : 3
        tensor([[1.6667]])
    """
    if how not in ("logits", "probabilities"):
        raise ValueError(f"predict.average is {how!r}; expected 'logits' or 'probabilities'")
    if len(logits) == 1:
        return logits[0]
    stacked = torch.stack([given.float() for given in logits])
    if how == "logits":
        return stacked.mean(dim=0)
    exact = stacked.to("cpu", torch.float64)  # MPS has no float64
    return links.of_task(task).average(exact).to(stacked.device, torch.float32)


class Averaged(nn.Module):
    """The average over networks and over views of the input; see `average`."""

    def __init__(self, networks: Sequence[nn.Module], views: Sequence[View], how: str, task: str) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.views = tuple(views)
        self.how = how
        self.task = task

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs to logits (n, c)."""
        return average([network(view(inputs)) for view in self.views for network in self.networks], self.how, self.task)
