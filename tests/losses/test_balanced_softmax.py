"""Balanced softmax against PyTorch on shifted logits, a loop over its formula, and values by hand."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from counterpoise.losses.balanced_softmax import Params, balanced_softmax, prior_factors

COUNTS = [50, 20, 5, 1]


def a_batch(n: int = 8, c: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, c, generator=generator, dtype=torch.float64), torch.arange(n) % c


def test_value_by_hand():
    value = balanced_softmax(torch.tensor([[math.log(2.0), math.log(3.0)]]), torch.tensor([1]), class_counts=[6, 4])
    assert value.item() == pytest.approx(math.log(2), abs=1e-6)  # 4 * 3 of 6 * 2 + 4 * 3


def test_it_is_the_published_formula():
    logits, targets = a_batch()
    expected = [
        -math.log(COUNTS[t] * math.exp(z[t]) / sum(n * math.exp(z_k) for n, z_k in zip(COUNTS, z, strict=True)))
        for z, t in zip(logits.tolist(), targets.tolist(), strict=True)
    ]
    found = balanced_softmax(logits, targets, class_counts=COUNTS)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-10)


def test_it_is_cross_entropy_of_shifted_logits_in_single_precision():
    logits, targets = a_batch()
    shifted = logits + torch.tensor(COUNTS, dtype=torch.float64).log()
    expected = functional.cross_entropy(shifted, targets, reduction="none")
    found = balanced_softmax(logits.float(), targets, class_counts=COUNTS)
    torch.testing.assert_close(found, expected.float(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_equal_counts_are_cross_entropy(count):
    logits, targets = a_batch()
    expected = functional.cross_entropy(logits, targets, reduction="none")
    torch.testing.assert_close(balanced_softmax(logits, targets, class_counts=[count] * 4), expected)
    assert prior_factors(Params(), [count] * 4) == pytest.approx((1.0,) * 4)


def test_a_class_that_is_never_drawn_counts_as_half_a_draw():
    logits, targets = a_batch()
    scaled = balanced_softmax(logits, targets, class_counts=[100, 40, 10, 1])
    torch.testing.assert_close(balanced_softmax(logits, targets, class_counts=[50, 20, 5, 0]), scaled)
    assert prior_factors(Params(), [50, 20, 5, 0]) == pytest.approx(prior_factors(Params(), [100, 40, 10, 1]))


def test_the_gradient_agrees_with_finite_differences():
    logits, targets = a_batch()
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: balanced_softmax(z, targets, class_counts=COUNTS), [logits])


def test_the_factors_even_out_the_prior_and_average_1_over_the_draws():
    factors = prior_factors(Params(), [9, 1])
    assert factors == pytest.approx((5 / 9, 5))
