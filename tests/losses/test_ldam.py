"""LDAM against its authors' code on cosines, its limits, and values by hand."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from counterpoise import config, losses
from counterpoise.losses.ldam import Params, ldam, prior_factors
from counterpoise.networks import heads

COUNTS = [81, 16, 1]


def a_batch(n: int = 9, c: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, c, generator=generator, dtype=torch.float64), torch.arange(n) % c


def as_published(cosines: Tensor, targets: Tensor, counts: list[int], max_m: float = 0.5, s: float = 30.0) -> Tensor:
    """Scale cosines after taking margins off them: 1 / n^(1/4), the largest of which becomes max_m."""
    raw = [1 / n**0.25 for n in counts]
    margins = [m * max_m / max(raw) for m in raw]
    values = []
    for row, t in zip(cosines.tolist(), targets.tolist(), strict=True):
        scaled = [s * (value - margins[t] if k == t else value) for k, value in enumerate(row)]
        values.append(math.log(sum(math.exp(value - scaled[t]) for value in scaled)))
    return torch.tensor(values, dtype=torch.float64)


def test_value_by_hand():
    # Margins of 3 for a count of 1, and of 3 / (16^(1/4)) = 3/2 for a count of 16.
    value = ldam(torch.tensor([[0.0, 1.5 + math.log(3.0)]]), torch.tensor([1]), class_counts=[1, 16], max_margin=3.0)
    assert value.item() == pytest.approx(math.log(4 / 3), abs=1e-6)


def test_on_cosines_it_is_the_published_loss():
    features, targets = torch.randn(12, 8, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 3
    head = heads.build_head("cosine", 8, 3, 0.0, seed=0)[1:]  # type: ignore[index]
    (weights,) = head.parameters()
    cosines = functional.cosine_similarity(features[:, None], weights.detach()[None], dim=2)
    found = ldam(head(features), targets, class_counts=COUNTS, max_margin=0.5 * heads.COSINE_SCALE)
    torch.testing.assert_close(found.double(), as_published(cosines, targets, COUNTS), rtol=1e-5, atol=1e-5)


def test_a_margin_of_zero_is_cross_entropy():
    logits, targets = a_batch()
    expected = functional.cross_entropy(logits, targets, reduction="none")
    torch.testing.assert_close(ldam(logits, targets, class_counts=COUNTS, max_margin=0.0), expected)
    assert prior_factors(Params(max_margin=0.0), COUNTS) == (1.0,) * 3


def test_equal_counts_have_one_margin():
    logits, targets = a_batch()
    moved = logits - 2.0 * functional.one_hot(targets, 3)
    expected = functional.cross_entropy(moved, targets, reduction="none")
    torch.testing.assert_close(ldam(logits, targets, class_counts=[7] * 3, max_margin=2.0), expected)


def test_the_rarest_class_that_is_drawn_has_the_largest_margin_and_so_has_one_that_is_not():
    logits = torch.zeros(3, 3, dtype=torch.float64)
    values = ldam(logits, torch.arange(3), class_counts=[16, 1, 0], max_margin=1.0)
    expected = [math.log(1 + 2 * math.exp(margin)) for margin in (0.5, 1.0, 1.0)]
    assert values.tolist() == pytest.approx(expected)


def test_the_gradient_agrees_with_finite_differences():
    logits, targets = a_batch()
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: ldam(z, targets, class_counts=COUNTS, max_margin=2.0), [logits])


def test_what_a_margin_does_to_the_prior_is_unknown():
    assert prior_factors(Params(max_margin=15.0), COUNTS) is None


def test_a_negative_margin_is_refused():
    with pytest.raises(ValueError, match=r"max_margin is -1.0; expected a number of at least 0"):
        ldam(*a_batch(), class_counts=COUNTS, max_margin=-1.0)
    with pytest.raises(config.InputError, match=r"losses.ldam.max_margin is -1.0"):
        losses.build("ldam", task="multiclass", class_counts=[1, 1], example_count=2, params={"max_margin": -1.0})
