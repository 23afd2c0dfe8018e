"""Logit adjustment against PyTorch on shifted logits, a loop over its formula, its limits, and values by hand."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from counterpoise import config, losses
from counterpoise.losses.balanced_softmax import balanced_softmax
from counterpoise.losses.logit_adjustment import Params, logit_adjustment, prior_factors

COUNTS = [50, 20, 5, 1]


def a_batch(n: int = 8, c: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, c, generator=generator, dtype=torch.float64), torch.arange(n) % c


def test_value_by_hand():
    z, y = torch.tensor([[0.0, math.log(3.0)]]), torch.tensor([1])  # 0.1^2 * 3 of 0.9^2 + 0.1^2 * 3
    assert logit_adjustment(z, y, class_counts=[9, 1], tau=2.0).item() == pytest.approx(math.log(28), abs=1e-5)


@pytest.mark.parametrize("tau", [0.3, 1.0, 2.5])
def test_it_is_the_published_formula(tau):
    """Equation 10 as a sum over the other classes: log(1 + sum (pi_k / pi_t)^tau exp(z_k - z_t))."""
    logits, targets = a_batch()
    expected = [
        math.log1p(
            sum((COUNTS[k] / COUNTS[t]) ** tau * math.exp(z[k] - z[t]) for k in range(len(COUNTS)) if k != t),
        )
        for z, t in zip(logits.tolist(), targets.tolist(), strict=True)
    ]
    found = logit_adjustment(logits, targets, class_counts=COUNTS, tau=tau)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-10)


def test_it_is_cross_entropy_of_shifted_logits_in_single_precision():
    logits, targets = a_batch()
    prior = torch.tensor(COUNTS, dtype=torch.float64) / sum(COUNTS)
    expected = functional.cross_entropy(logits + 1.5 * prior.log(), targets, reduction="none")
    found = logit_adjustment(logits.float(), targets, class_counts=COUNTS, tau=1.5)
    torch.testing.assert_close(found, expected.float(), rtol=0, atol=1e-5)


def test_tau_zero_and_equal_counts_are_cross_entropy():
    logits, targets = a_batch()
    expected = functional.cross_entropy(logits, targets, reduction="none")
    torch.testing.assert_close(logit_adjustment(logits, targets, class_counts=COUNTS, tau=0.0), expected)
    torch.testing.assert_close(logit_adjustment(logits, targets, class_counts=[7] * 4, tau=2.0), expected)
    assert prior_factors(Params(tau=0.0), COUNTS) == pytest.approx((1.0,) * 4)
    assert prior_factors(Params(tau=2.0), [7] * 4) == pytest.approx((1.0,) * 4)


def test_tau_one_is_balanced_softmax():
    logits, targets = a_batch()
    expected = balanced_softmax(logits, targets, class_counts=COUNTS)
    torch.testing.assert_close(logit_adjustment(logits, targets, class_counts=COUNTS, tau=1.0), expected)


def test_a_class_that_is_never_drawn_counts_as_half_a_draw():
    logits, targets = a_batch()
    scaled = logit_adjustment(logits, targets, class_counts=[100, 40, 10, 1], tau=1.5)
    torch.testing.assert_close(logit_adjustment(logits, targets, class_counts=[50, 20, 5, 0], tau=1.5), scaled)


def test_the_gradient_agrees_with_finite_differences():
    logits, targets = a_batch()
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: logit_adjustment(z, targets, class_counts=COUNTS, tau=1.5), [logits])


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 2.0, 10.0])
def test_the_factors_turn_the_prior_into_its_power_and_average_1_over_the_draws(tau):
    prior = torch.tensor([0.9, 0.09, 0.01], dtype=torch.float64)
    factors = prior_factors(Params(tau=tau), [90, 9, 1])
    seen = prior * torch.tensor(factors, dtype=torch.float64)
    torch.testing.assert_close(seen, prior ** (1 - tau) / (prior ** (1 - tau)).sum())


def test_a_negative_tau_is_refused():
    with pytest.raises(ValueError, match=r"tau is -1.0; expected a number of at least 0"):
        logit_adjustment(*a_batch(), class_counts=COUNTS, tau=-1.0)
    with pytest.raises(config.InputError, match=r"losses.logit_adjustment.tau is -1.0"):
        losses.build("logit_adjustment", task="multiclass", class_counts=[1, 1], example_count=2, params={"tau": -1.0})
