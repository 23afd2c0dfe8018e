"""VS-loss against PyTorch on scaled and shifted logits, a loop over its formula, its limits, and values by hand."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from counterpoise import config, losses
from counterpoise.losses.logit_adjustment import Params as OfAdjustment
from counterpoise.losses.logit_adjustment import logit_adjustment
from counterpoise.losses.logit_adjustment import prior_factors as factors_of_adjustment
from counterpoise.losses.vector_scaling import Params, prior_factors, vector_scaling

COUNTS = [50, 20, 5, 1]


def a_batch(n: int = 8, c: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, c, generator=generator, dtype=torch.float64), torch.arange(n) % c


def test_value_by_hand():
    z, y = torch.tensor([[math.log(2.0), math.log(9.0)]]), torch.tensor([1])
    value = vector_scaling(z, y, class_counts=[4, 1], gamma=0.5, tau=1.0)  # 1/5 * 9^(1/2) of 4/5 * 2 + 3/5
    assert value.item() == pytest.approx(math.log(11 / 3), abs=1e-6)


@pytest.mark.parametrize(("gamma", "tau"), [(0.3, 1.0), (0.15, 1.25), (1.0, 0.0)])
def test_it_is_the_published_formula(gamma, tau):
    """log(1 + sum exp(iota_k - iota_t) exp(Delta_k z_k - Delta_t z_t)), over the classes k that are not t."""
    logits, targets = a_batch()
    scale = [(n / max(COUNTS)) ** gamma for n in COUNTS]
    shift = [tau * math.log(n / sum(COUNTS)) for n in COUNTS]
    expected = [
        math.log1p(
            sum(
                math.exp(shift[k] - shift[t]) * math.exp(scale[k] * z[k] - scale[t] * z[t])
                for k in range(len(COUNTS))
                if k != t
            )
        )
        for z, t in zip(logits.tolist(), targets.tolist(), strict=True)
    ]
    found = vector_scaling(logits, targets, class_counts=COUNTS, gamma=gamma, tau=tau)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-10)


def test_it_is_cross_entropy_as_in_the_authors_code_which_divides_by_the_largest_over_the_count():
    logits, targets = a_batch()
    counts = torch.tensor(COUNTS, dtype=torch.float64)
    divisor = (1 / counts) ** 0.3
    changed = logits / (divisor / divisor.min()) + (counts / counts.sum()).log()
    expected = functional.cross_entropy(changed, targets, reduction="none")
    found = vector_scaling(logits.float(), targets, class_counts=COUNTS, gamma=0.3, tau=1.0)
    torch.testing.assert_close(found, expected.float(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("tau", [0.0, 0.5, 2.0])
def test_gamma_zero_is_logit_adjustment(tau):
    logits, targets = a_batch()
    expected = logit_adjustment(logits, targets, class_counts=COUNTS, tau=tau)
    torch.testing.assert_close(vector_scaling(logits, targets, class_counts=COUNTS, gamma=0.0, tau=tau), expected)
    assert prior_factors(Params(gamma=0.0, tau=tau), COUNTS) == factors_of_adjustment(OfAdjustment(tau=tau), COUNTS)


def test_both_zero_and_equal_counts_are_cross_entropy():
    logits, targets = a_batch()
    expected = functional.cross_entropy(logits, targets, reduction="none")
    torch.testing.assert_close(vector_scaling(logits, targets, class_counts=COUNTS, gamma=0.0, tau=0.0), expected)
    torch.testing.assert_close(vector_scaling(logits, targets, class_counts=[7] * 4, gamma=0.5, tau=2.0), expected)


def test_a_class_that_is_never_drawn_counts_as_half_a_draw():
    logits, targets = a_batch()
    scaled = vector_scaling(logits, targets, class_counts=[100, 40, 10, 1], gamma=0.3, tau=1.0)
    found = vector_scaling(logits, targets, class_counts=[50, 20, 5, 0], gamma=0.3, tau=1.0)
    torch.testing.assert_close(found, scaled)


def test_the_gradient_agrees_with_finite_differences():
    logits, targets = a_batch()
    logits.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda z: vector_scaling(z, targets, class_counts=COUNTS, gamma=0.3, tau=1.0), [logits]
    )


def test_scales_leave_the_prior_unknown():
    assert prior_factors(Params(gamma=0.3, tau=1.0), COUNTS) is None
    assert prior_factors(Params(gamma=0.3, tau=0.0), COUNTS) is None


@pytest.mark.parametrize("wrong", ["gamma", "tau"])
def test_negative_parameters_are_refused(wrong):
    params = {"gamma": 0.0, "tau": 0.0, wrong: -1.0}
    logits, targets = a_batch()
    with pytest.raises(ValueError, match=rf"{wrong} is -1.0.*; expected numbers of at least 0"):
        vector_scaling(logits, targets, class_counts=COUNTS, **params)
    with pytest.raises(config.InputError, match=rf"losses.vector_scaling.{wrong} is -1.0"):
        losses.build("vector_scaling", task="multiclass", class_counts=[1, 1], example_count=2, params=params)
