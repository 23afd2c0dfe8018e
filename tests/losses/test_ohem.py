"""Mining of hard examples against sorting, the closed form of its minimum, and ties by hand."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn import functional

from counterpoise import config, losses
from counterpoise.losses.ohem import Params, ohem, prior_factors
from counterpoise.training import objective


def a_batch(n: int = 30, c: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, c, generator=generator, dtype=torch.float64), torch.arange(n) % c


def costing(*values: float) -> tuple[Tensor, Tensor]:
    """Return logits and targets of two classes whose cross-entropies are these values."""
    p_t = torch.tensor(values, dtype=torch.float64).neg().exp()
    return torch.stack([p_t.log(), (1 - p_t).log()], dim=1), torch.zeros(len(values), dtype=torch.long)


@pytest.mark.parametrize(("fraction", "kept"), [(0.01, 1), (0.1, 3), (0.11, 4), (0.5, 15), (0.99, 30), (1.0, 30)])
def test_the_mean_is_that_of_the_hardest_examples(fraction, kept):
    logits, targets = a_batch()
    plain = functional.cross_entropy(logits, targets, reduction="none")
    expected = np.sort(plain.numpy())[-kept:].mean()
    values = ohem(logits, targets, fraction=fraction)
    assert values.mean().item() == pytest.approx(expected, rel=1e-10)
    assert int((values > 0).sum()) == kept


def test_a_product_a_little_above_a_whole_number_is_that_number():
    logits, targets = a_batch(100)
    assert 0.07 * 100 > 7
    assert int((ohem(logits, targets, fraction=0.07) > 0).sum()) == 7


def test_those_kept_count_n_over_k_times_and_the_others_pull_nowhere():
    logits, targets = a_batch(8)
    logits.requires_grad_()
    plain = functional.cross_entropy(logits, targets, reduction="none")
    hard = plain >= plain.median()  # the lower of the two in the middle
    values = ohem(logits, targets, fraction=5 / 8)
    torch.testing.assert_close(values, torch.where(hard, plain * 8 / 5, 0.0))
    (slope,) = torch.autograd.grad(values.sum(), logits, retain_graph=True)
    (expected,) = torch.autograd.grad(plain[hard].sum() * 8 / 5, logits)
    torch.testing.assert_close(slope, expected)
    assert not slope[~hard].any()


def test_of_many_labels_all_entries_compete():
    logits, _ = a_batch(6, 3)
    targets = (torch.arange(18).reshape(6, 3) % 3 == 0).long()
    plain = functional.binary_cross_entropy_with_logits(logits, targets.double(), reduction="none")
    values = ohem(logits, targets, fraction=0.25)  # 4.5 of 18 entries
    cut = plain.flatten().sort().values[-5]
    torch.testing.assert_close(values, torch.where(plain >= cut, plain * 18 / 5, 0.0))


def test_a_fraction_of_1_is_cross_entropy():
    logits, targets = a_batch()
    expected = functional.cross_entropy(logits, targets, reduction="none")
    assert torch.equal(ohem(logits, targets, fraction=1.0), expected)


def test_ties_at_the_cut_share_what_is_left():
    """Of 5 values 3 are kept: the largest, and two thirds of each of the three that come next."""
    logits, targets = costing(1.0, 3.0, 1.0, 0.5, 1.0)
    values = ohem(logits, targets, fraction=0.6)
    expected = torch.tensor([2 / 3, 3.0, 2 / 3, 0.0, 2 / 3], dtype=torch.float64) * 5 / 3
    torch.testing.assert_close(values, expected)
    assert values.mean().item() == pytest.approx((3 + 1 + 1) / 3)


@pytest.mark.parametrize("many", [False, True])
def test_permuting_examples_with_ties_permutes_values(many):
    logits = torch.randn(7, 3, generator=torch.Generator().manual_seed(0)).repeat(9, 1)
    targets = (logits > 0.5).long() if many else torch.arange(7).repeat(9) % 3
    order = torch.randperm(63, generator=torch.Generator().manual_seed(1))
    for fraction in (0.1, 0.3, 0.5):
        values = ohem(logits, targets, fraction=fraction)
        torch.testing.assert_close(ohem(logits[order], targets[order], fraction=fraction), values[order])
        torch.testing.assert_close(values[:7], values[7:14])  # those that are alike fare alike


@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.9, 1.0])
def test_the_gradient_agrees_with_finite_differences(fraction):
    logits, targets = a_batch(8)
    assert torch.autograd.gradcheck(lambda z: ohem(z, targets, fraction=fraction), [logits.requires_grad_()])


@pytest.mark.parametrize("fraction", [0.25, 0.5, 1.0])
def test_its_minimum_stands_where_the_closed_form_says(fraction):
    """Ten alike, nine of one class: the one of the other is always kept, and of the nine what is left of k."""
    targets = torch.tensor([1] * 9 + [0])

    def cost(z: float) -> float:
        logits = torch.tensor([[0.0, z]], dtype=torch.float64).repeat(10, 1)
        return ohem(logits, targets, fraction=fraction).mean().item()

    found = minimize_scalar(cost, bounds=(-1, 6), method="bounded", options={"xatol": 1e-7}).x
    kept = math.ceil(10 * fraction)
    assert 1 / (1 + math.exp(-found)) == pytest.approx(max(0.5, (kept - 1) / kept), abs=1e-5)


def test_class_weights_do_not_decide_who_is_kept():
    logits, targets = costing(3.0, 1.0)
    targets = torch.tensor([0, 1])
    logits[1] = logits[1].flip(0)
    goal = objective.Objective(
        losses.build("ohem", task="multiclass", class_counts=[1, 1], example_count=2, params={"fraction": 0.5}),
        torch.tensor([0.1, 10.0]),
        "multiclass",
    )
    assert goal(logits, targets).item() == pytest.approx(0.1 * 3)


def test_only_a_fraction_of_1_leaves_the_prior_alone():
    assert prior_factors(Params(fraction=1.0), [9, 1]) == (1.0, 1.0)
    assert prior_factors(Params(fraction=0.5), [9, 1]) is None


@pytest.mark.parametrize("fraction", [0.0, 1.5])
def test_a_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(ValueError, match=rf"fraction is {fraction}; expected a number in \(0, 1\]"):
        ohem(*a_batch(), fraction=fraction)
    with pytest.raises(config.InputError, match=rf"losses.ohem.fraction is {fraction}"):
        losses.build("ohem", task="multiclass", class_counts=[1, 1], example_count=2, params={"fraction": fraction})
