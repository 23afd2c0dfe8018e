"""Seesaw loss against loops over its formula and over what mmdetection computes, its limits, and values by hand."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from counterpoise import config, losses
from counterpoise.losses.seesaw import Params, prior_factors, seesaw

COUNTS = [50, 20, 5, 1]
EPS = 0.01
"""Of mmdetection: the least probability of the true class that it divides by."""


def a_batch(n: int = 12, c: int = 4, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return scale * torch.randn(n, c, generator=generator, dtype=torch.float64), torch.arange(n) % c


def by_loops(logits: Tensor, targets: Tensor, counts: list[int], p: float, q: float, eps: float) -> Tensor:
    """Compute class by class, with the least divisor and the least count of 1 that mmdetection has."""
    values = []
    for z, i in zip(logits.tolist(), targets.tolist(), strict=True):
        exponentials = [math.exp(z_k) for z_k in z]
        sigma = [e / sum(exponentials) for e in exponentials]
        others = 0.0
        for j, e in enumerate(exponentials):
            if j == i:
                continue
            ratio = max(counts[j], 1) / max(counts[i], 1)
            mitigation = ratio**p if ratio < 1 else 1.0
            worse = sigma[j] / max(sigma[i], eps)
            compensation = worse**q if worse > 1 else 1.0
            others += mitigation * compensation * e
        values.append(-math.log(exponentials[i] / (exponentials[i] + others)))
    return torch.tensor(values, dtype=torch.float64)


def test_value_by_hand():
    # S = (20/50)^1 * 1 for class 1, which scores lower, and (5/50) * 3^2 for class 2, which scores higher
    z = torch.tensor([[0.0, -math.log(2.0), math.log(3.0)]])
    value = seesaw(z, torch.tensor([0]), class_counts=[50, 20, 5], p=1.0, q=2.0)
    assert value.item() == pytest.approx(math.log(1 + 0.4 / 2 + 0.9 * 3), abs=1e-6)


@pytest.mark.parametrize(("p", "q"), [(0.8, 2.0), (0.8, 0.0), (0.0, 2.0), (2.0, 0.5)])
def test_it_is_the_published_formula(p, q):
    logits, targets = a_batch(scale=3.0)
    expected = by_loops(logits, targets, COUNTS, p, q, eps=0.0)
    found = seesaw(logits, targets, class_counts=COUNTS, p=p, q=q)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    single = seesaw(logits.float(), targets, class_counts=COUNTS, p=p, q=q)
    torch.testing.assert_close(single, expected.float(), rtol=1e-5, atol=1e-5)


def test_it_is_mmdetections_unless_the_true_class_has_less_than_a_hundredth_and_above_it_then():
    logits, targets = a_batch(n=40, scale=3.0)
    found = seesaw(logits, targets, class_counts=COUNTS, p=0.8, q=2.0)
    theirs = by_loops(logits, targets, COUNTS, 0.8, 2.0, EPS)
    clamped = logits.softmax(dim=1).gather(1, targets[:, None])[:, 0] < EPS
    assert 0 < clamped.sum() < 40
    torch.testing.assert_close(found[~clamped], theirs[~clamped], rtol=0, atol=1e-9)
    assert (found[clamped] > theirs[clamped]).all()


def test_p_and_q_zero_are_cross_entropy():
    logits, targets = a_batch()
    expected = functional.cross_entropy(logits, targets, reduction="none")
    torch.testing.assert_close(seesaw(logits, targets, class_counts=COUNTS, p=0.0, q=0.0), expected)
    assert prior_factors(Params(p=0.0, q=0.0), COUNTS) == (1.0,) * 4


def test_equal_counts_leave_compensation_alone_which_spares_what_is_right():
    logits, targets = a_batch()
    without = seesaw(logits, targets, class_counts=[7] * 4, p=0.8, q=0.0)
    torch.testing.assert_close(without, functional.cross_entropy(logits, targets, reduction="none"))
    right = logits.argmax(dim=1) == targets
    assert right.any()
    found = seesaw(logits, targets, class_counts=[7] * 4, p=0.8, q=2.0)
    torch.testing.assert_close(found[right], without[right])
    assert (found[~right] > without[~right]).all()


def test_mitigation_spares_the_rarer_classes_alone():
    z = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    loss = seesaw(z, torch.tensor([1]), class_counts=[100, 10, 1], p=1.0, q=0.0)
    (slope,) = torch.autograd.grad(loss.sum(), z)
    assert (slope[0, 0] / slope[0, 2]).item() == pytest.approx(10)


def test_the_gradient_takes_compensation_for_a_constant():
    """It is that of cross-entropy of logits to which the factors' logarithms are added as numbers."""
    logits, targets = a_batch(scale=3.0)
    log_factors = torch.zeros_like(logits)
    for row, i in enumerate(targets.tolist()):
        for j in range(4):
            log_factors[row, j] = 0.8 * min(0.0, math.log(COUNTS[j] / COUNTS[i]))
            log_factors[row, j] += 2.0 * max(0.0, (logits[row, j] - logits[row, i]).item())
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    (found,) = torch.autograd.grad(seesaw(ours, targets, class_counts=COUNTS, p=0.8, q=2.0).sum(), ours)
    (expected,) = torch.autograd.grad(functional.cross_entropy(theirs + log_factors, targets, reduction="sum"), theirs)
    torch.testing.assert_close(found, expected)
    assert torch.autograd.gradcheck(lambda z: seesaw(z, targets, class_counts=COUNTS, p=0.8, q=0.0), [ours])


def test_a_class_that_is_never_drawn_counts_as_half_a_draw():
    logits, targets = a_batch()
    scaled = seesaw(logits, targets, class_counts=[100, 40, 10, 1], p=0.8, q=2.0)
    torch.testing.assert_close(seesaw(logits, targets, class_counts=[50, 20, 5, 0], p=0.8, q=2.0), scaled)


def odds_at_the_minimum(eta: float, s: float) -> float:
    """Find the odds r = exp(z_1 - z_0) at which (1 - eta) log(1 + s r) + eta log(1 + 1 / r) is least.

    Its slope is 0 where (1 - eta) s r (1 + r) = eta (1 + s r), which is a square equation in r.
    """
    a, b = (1 - eta) * s, (1 - 2 * eta) * s
    return (-b + math.sqrt(b * b + 4 * a * eta)) / (2 * a)


@pytest.mark.parametrize("eta", [0.001, 0.2, 0.5, 0.9])
def test_mitigation_alone_is_least_where_a_square_equation_says(eta):
    r, counts, mass = odds_at_the_minimum(eta, 0.1), [10, 1], torch.tensor([1 - eta, eta], dtype=torch.float64)
    z = torch.tensor([[0.0, math.log(r)]] * 2, dtype=torch.float64, requires_grad=True)
    loss = (mass * seesaw(z, torch.tensor([0, 1]), class_counts=counts, p=1.0, q=0.0)).sum()
    (slope,) = torch.autograd.grad(loss, z)
    torch.testing.assert_close(slope.sum(dim=0), torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-9)


def test_mitigation_multiplies_odds_differently_from_image_to_image_so_that_the_prior_is_unknown():
    times = [odds_at_the_minimum(eta, 0.1) / (eta / (1 - eta)) for eta in (1e-7, 0.5)]
    assert times == pytest.approx([1 / 0.1, 1 / math.sqrt(0.1)], rel=1e-4)
    assert prior_factors(Params(p=1.0, q=0.0), [10, 1]) is None
    assert prior_factors(Params(p=0.0, q=2.0), [10, 1]) is None


@pytest.mark.parametrize("wrong", ["p", "q"])
def test_negative_parameters_are_refused(wrong):
    params = {"p": 0.0, "q": 0.0, wrong: -1.0}
    logits, targets = a_batch()
    with pytest.raises(ValueError, match=rf"{wrong} is -1.0.*; expected numbers of at least 0"):
        seesaw(logits, targets, class_counts=COUNTS, **params)
    with pytest.raises(config.InputError, match=rf"losses.seesaw.{wrong} is -1.0"):
        losses.build("seesaw", task="multiclass", class_counts=[1, 1], example_count=2, params=params)
