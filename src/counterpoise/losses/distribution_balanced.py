"""Distribution-balanced loss: weights that know which labels come together, and patience with absent labels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor

TASKS = ("multilabel",)
ONLY = "it weights labels by the other labels of an image, and with one class per image there are none"
ADJUSTS = True


class Params(Section):
    """Block `losses.distribution_balanced`."""

    alpha: float = Field(ge=0, le=10)
    """Smallest weight, in [0, 10]; the largest is alpha + 1."""
    beta: float = Field(ge=0, le=100)
    """How steeply the weight rises with r (docs/losses.md), in [0, 100]; 0 gives every entry alpha + 1/2."""
    mu: float = Field(ge=0, le=10)
    """The r at which the weight is alpha + 1/2, in [0, 10]."""
    tolerance: float = Field(ge=1, le=100)
    """lambda of the paper, in [1, 100]: how much sooner absent labels stop pulling on the logits; 1 is no sooner."""
    kappa: float = Field(ge=0, le=1)
    """Share of the log-odds of the samples, divided by lambda, that is subtracted from the logits, in [0, 1]."""


def distribution_balanced(
    logits: Tensor,
    targets: Tensor,
    *,
    class_counts: Tensor,
    example_count: int,
    alpha: float,
    beta: float,
    mu: float,
    tolerance: float,
    kappa: float,
) -> Tensor:
    """Compute multilabel cross-entropy, weighted by example and label, and flattened where a label is absent.

    With n_k of N draws with label k, p_k = n_k / N, lambda the tolerance:

        r_k = (1 / n_k) / (sum of 1 / n_i over labels i that the example has),  w_k = alpha + sigmoid(beta (r_k - mu))
        nu_k = (kappa / lambda) log(1 / p_k - 1)
        value = w_k log(1 + exp(-(z_k - nu_k)))                       where label k is present
                w_k / lambda log(1 + exp(lambda (z_k - nu_k)))        where it is not

    r_k is how often the example would be drawn for the sake of label k, out of how often it would be drawn at all if
    each label were drawn equally often. The rarer the labels it has, the less the others count.

    Args:
        logits: (n, c) float.
        targets: (n, c) in {0, 1}.
        class_counts: (c,) float, draws that have each label. 0 counts as half a draw, and all as all but half a draw,
            as in the prior ledger.
        example_count: N.
        alpha: At least 0.
        beta: At least 0.
        mu: Any number.
        tolerance: lambda, above 0.
        kappa: At least 0.

    Returns:
        (n, c) values in nats, in the logits' type. An example that has no label has weights alpha + 1, the limit for
        one that has a label far more frequent than any other: nothing that it has would have it drawn too often.

    Raises:
        ValueError: A parameter is out of range.

    Source: Wu et al. (2020), Distribution-Balanced Loss for Multi-Label Classification in Long-Tailed Datasets,
        section 3, and their code (wutong16/DistributionBalancedLoss, `rebalance_weight`,
        `logit_reg_functions`), which divides kappa by lambda. Departures: values in place of their mean; no focal
        factor, by which their `DB Focal` multiplies on top (with 2); labels never drawn or always present give no
        infinite or undefined weight. An example without labels has the same weight there, through a division by 0.
        Their code subtracts nu in place, and so from the network's own output.

    Example:
        >>> import torch
        >>> z, y, counts = torch.zeros(1, 2), torch.tensor([[1, 0]]), torch.tensor([50.0, 50.0])
        >>> half = {"alpha": 0.5, "beta": 0.0, "mu": 0.0, "kappa": 0.0}
        >>> distribution_balanced(z, y, class_counts=counts, example_count=100, tolerance=2.0, **half)
        tensor([[0.6931, 0.3466]])
    """
    import torch
    from torch.nn import functional

    if min(alpha, beta, kappa) < 0 or not tolerance > 0:
        raise ValueError(
            f"alpha is {alpha}, beta is {beta}, kappa is {kappa}, tolerance is {tolerance}; expected numbers of at "
            "least 0, and a tolerance above 0"
        )
    wide = logits if logits.element_size() >= 4 else logits.float()
    counts = class_counts.to(wide).clamp(0.5, example_count - 0.5)
    present = targets == 1
    # 1 / r, which is 0 for an example without labels, where r is infinite.
    inverse = counts * (present / counts).sum(dim=1, keepdim=True)
    weights = alpha + torch.sigmoid(beta * (1 / inverse.clamp_min(1e-9) - mu))
    shifted = wide - kappa / tolerance * torch.log(example_count / counts - 1)
    tolerated = functional.softplus(tolerance * shifted) / tolerance
    return (weights * torch.where(present, functional.softplus(-shifted), tolerated)).to(logits.dtype)


def build(*, target_ndim: int, class_counts: Sequence[int], example_count: int, params: Params) -> partial[Tensor]:
    """Return the loss for the counts of the draws."""
    import torch

    return partial(
        distribution_balanced,
        class_counts=torch.tensor(class_counts, dtype=torch.float32),
        example_count=example_count,
        alpha=params.alpha,
        beta=params.beta,
        mu=params.mu,
        tolerance=params.tolerance,
        kappa=params.kappa,
    )


def prior_factors(params: Params, class_counts: Sequence[int]) -> tuple[float, ...] | None:
    """Say unknown: weights depend on what else an example has, and tolerance bends the odds."""
    return None
