"""Averages of predictions: over several networks, or over several views of an image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from counterpoise.calibration import links
from counterpoise.networks.tta import View


def average(logits: Sequence[Tensor], how: str, task: str) -> Tensor:
    """Average the predictions of several networks, or of several views of an image.

    `logits` takes the mean of the logits. Its softmax is the normalised geometric mean of the probabilities. If all
    predictions contain the same prior factor, their mean contains it too, so the prior ledger stays exact.

    `probabilities` takes the mean of the probabilities, and converts it back to logits: log p, or log p - log (1 - p).
    Multiplying each posterior by a prior factor and then averaging is not the same as averaging first. The prior
    ledger therefore holds only approximately. The more similar the predictions are, the smaller the error is.

    Args:
        logits: k times (n, c).
        how: `logits` or `probabilities`.
        task: `multiclass` or `multilabel`.

    Returns:
        (n, c) logits. With k = 1 they are unchanged. Finite logits give finite logits.

    Raises:
        ValueError: `how` has another value.

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
    """A module that averages over networks and over views of the input; see `average`."""

    def __init__(self, networks: Sequence[nn.Module], views: Sequence[View], how: str, task: str) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.views = tuple(views)
        self.how = how
        self.task = task

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs to logits (n, c)."""
        return average([network(view(inputs)) for view in self.views for network in self.networks], self.how, self.task)
