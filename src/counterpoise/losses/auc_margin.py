"""The AUC margin loss: a squared distance between means of scores, as a saddle point that needs no pairs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from pydantic import Field

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor, nn

TASKS = ("multiclass", "multilabel")
RANKS = True
STATEFUL = True
NEEDS_ADAMW = "it keeps parameters of its own, some of which are maximised"


class Params(Section):
    """Block `losses.auc_margin`."""

    margin: float = Field(gt=0, le=1)
    """By how much the mean probability of positives should exceed that of negatives, in (0, 1]."""


def auc_margin(
    logits: Tensor, targets: Tensor, *, a: Tensor, b: Tensor, alpha: Tensor, margin: float, saddle: bool = False
) -> Tensor:
    """Compute the AUC margin loss, whose minimum over a, b and maximum over alpha >= 0 needs single examples alone.

    For each class k that some examples have and some do not, with p = softmax(z)_k as the score (for multilabel
    sigmoid(z_k); with two classes sigmoid(z_1 - z_0), for class 1 alone, since both classes have the same pairs), E+
    the mean over its positives and E- that over its negatives,

        F = E+[(p - a)^2] + E-[(p - b)^2] + 2 alpha (margin + E-[p] - E+[p]) - alpha^2

    and the loss of the batch is the mean of F over these classes. The saddle point is a = E+[p], b = E-[p],
    alpha = max(0, margin + b - a), where F is Var+[p] + Var-[p] + max(0, margin + b - a)^2: as long as alpha > 0, the
    mean over all pairs of (margin - (p_i - p_j))^2.

    Args:
        logits: (n, c) float.
        targets: (n,) int64 in 0..c-1; or, for multilabel, (n, c) in {0, 1}.
        a: (k,) where the scores of positives gather, one for each class; (1,) with two classes.
        b: (k,) where those of negatives do.
        alpha: (k,) at least 0. Minimise over a and b, maximise over alpha.
        margin: Above 0; above 1 it cannot be reached.
        saddle: Use the a, b and alpha of the saddle point of this batch in place of those given.

    Returns:
        (n,) shares whose mean is the loss of the batch, or (n, c) for multilabel, in the logits' type; zeros where no
        class has both positives and negatives. At the saddle point the loss lies in [0, 1/2 + (1 + margin)^2];
        elsewhere, and single shares anywhere, may be negative.

    Raises:
        ValueError: margin is out of range.

    Source: Yuan, Yan, Sonka, Yang (2021), Large-scale Robust Deep AUC Maximization, the AUC margin loss, with scores in
        [0, 1] as in their experiments. Departures: their F carries the prior, as (1 - p) E[(h - a)^2 1(y = 1)] + ...,
        and is p (1 - p) times ours where p is the share of positives among the examples averaged over. We divide by it,
        that is, average over positives and over negatives: no p is needed, and of several classes the rare ones count
        alike. `build` starts at the saddle point of a network that says 1/2 to all (a = b = 1/2, alpha = margin), not
        at 0. The optimiser is that of the network (AdamW), not theirs (PESG, with a pull towards earlier weights).
        Faults elsewhere: LibAUC averages every term over all examples while p was, in its first versions, a constant
        given for the training set, or else that of the first batch for good; a batch of another composition then has
        another saddle point and a loss below 0 (issue 10). Later ones put the share of each batch in place of the
        `imratio` that was given. Its version without p (`v2`, 2.0.1) divides by the number of terms that are not 0, and
        takes the mean of the positives inside that of the negatives, so that the latter is scaled by their share (issue
        74). Its a, b and alpha are plain tensors, which `state_dict()` omits.

    Example:
        >>> import torch
        >>> z, y = torch.tensor([[0.0], [0.0]]), torch.tensor([[1], [0]])  # both score 1/2; 2 * 1 * (1 + 0) - 1^2
        >>> half, one = torch.tensor([0.5]), torch.tensor([1.0])
        >>> auc_margin(z, y, a=half, b=half, alpha=one, margin=1.0).mean()
        tensor(1.)
    """
    import torch

    if not margin > 0:
        raise ValueError(f"margin is {margin}; expected a number above 0")
    wide = logits if logits.element_size() >= 4 else logits.float()
    scores, positives = _one_against_rest(wide, targets)
    positive_counts = positives.sum(dim=0)
    usable = (positive_counts > 0) & (positive_counts < len(scores))
    # What an example of each kind weighs, so that the mean over all n is the mean over those of its kind.
    counts = (positive_counts, len(scores) - positive_counts)
    of_positive, of_negative = (len(scores) / count.clamp_min(1) for count in counts)
    if saddle:
        a = (of_positive * scores * positives).mean(dim=0)
        b = (of_negative * scores * ~positives).mean(dim=0)
        alpha = (margin + b - a).clamp_min(0)
    values = torch.where(
        positives,
        of_positive * ((scores - a) ** 2 - 2 * alpha * scores),
        of_negative * ((scores - b) ** 2 + 2 * alpha * scores),
    )
    shares = torch.where(usable, values + 2 * alpha * margin - alpha**2, 0 * scores)
    classes = usable.sum().clamp_min(1)
    if targets.ndim == 1:
        return (shares.sum(dim=1) / classes).to(logits.dtype)
    return (shares * (shares.shape[1] / classes)).to(logits.dtype)


def _one_against_rest(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Score each class by its probability, and say which examples are positives; two classes are one problem."""
    from torch.nn import functional

    if targets.ndim == 2:
        return logits.sigmoid(), targets == 1
    if logits.shape[1] == 2:
        return (logits[:, 1:] - logits[:, :1]).sigmoid(), targets[:, None] == 1
    return logits.softmax(dim=1), functional.one_hot(targets, logits.shape[1]) == 1


@cache
def module_class() -> type[nn.Module]:
    """Make the class of the loss with its parameters, once: importing this file must not import torch."""
    import torch
    from torch import nn

    class AucMargin(nn.Module):
        """The loss with its a, b and alpha, which an ordinary optimiser moves: down for a and b, up for alpha.

        While training it is the value at its a, b and alpha. Otherwise it is that of the batch's own saddle point,
        which depends on the network alone, so that epochs can be compared.

        Attributes:
            a: (k,) parameter.
            b: (k,) parameter.
            alpha: (k,) parameter, at least 0 after `project`.
        """

        def __init__(self, problems: int, margin: float) -> None:
            super().__init__()
            self.a = nn.Parameter(torch.full((problems,), 0.5))
            self.b = nn.Parameter(torch.full((problems,), 0.5))
            self.alpha = nn.Parameter(torch.full((problems,), margin))
            self.margin = margin

        def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
            """Compute the shares of a batch; the gradient of alpha is reversed, so that going down it goes up."""
            alpha = 2 * self.alpha.detach() - self.alpha
            return auc_margin(
                logits, targets, a=self.a, b=self.b, alpha=alpha, margin=self.margin, saddle=not self.training
            )

        @torch.no_grad()
        def project(self) -> None:
            """Put alpha back to 0 where a step took it below."""
            self.alpha.clamp_(min=0)

    return AucMargin


def build(*, target_ndim: int, class_counts: Sequence[int], example_count: int, params: Params) -> nn.Module:
    """Return the loss, at the saddle point of a network that says 1/2 to all; counts play no part."""
    two_classes = target_ndim == 1 and len(class_counts) == 2
    return module_class()(1 if two_classes else len(class_counts), params.margin)


def prior_factors(params: Params, class_counts: Sequence[int]) -> tuple[float, ...] | None:
    """Say unknown: a ranking keeps no prior, only an order."""
    return None
