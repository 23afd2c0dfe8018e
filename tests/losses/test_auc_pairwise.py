"""The pairwise hinge against its definition pair by pair, closed forms, and what no order of scores may change."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score
from torch import Tensor

from counterpoise import config, losses
from counterpoise.losses.auc_pairwise import Params, auc_pairwise, prior_factors

POWERS = [1, 2, 3]


def by_pairs(scores: Tensor, positives: Tensor, margin: float, power: int) -> Tensor:
    """Mean over pairs, as the definition says; `relu` has slope 0 at 0."""
    return (margin - (scores[positives][:, None] - scores[~positives])).relu().pow(power).mean()


def log_odds(logits: Tensor, k: int) -> Tensor:
    others = [j for j in range(logits.shape[1]) if j != k]
    return logits[:, k] - logits[:, others].logsumexp(dim=1)


def some_scores(kind: str) -> tuple[Tensor, Tensor]:
    """40 scores, 9 of positives."""
    rng = np.random.default_rng(0)
    positives = rng.permutation(40) < 9
    scores = {
        "normal": rng.normal(size=40),
        "tied": rng.integers(-2, 3, size=40) / 2,  # many pairs exactly at a margin of 1
        "all equal": np.full(40, 3.0),
        "extreme": rng.choice([-1e4, 0.0, 1e4], size=40),
        "extreme and close": rng.choice([-1e4, 1e4], size=40) + rng.normal(size=40),
        # The only pairs that cost anything are close together, far from most scores.
        "a small mistake far out": np.where(positives, 1e4 + 0.01 * rng.normal(size=40), -1e4),
    }[kind]
    if kind == "a small mistake far out":
        scores[np.flatnonzero(~positives)[:3]] = 1e4 - 0.7
    return torch.from_numpy(scores), torch.from_numpy(positives)


KINDS = ["normal", "tied", "all equal", "extreme", "extreme and close", "a small mistake far out"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("power", POWERS)
def test_value_and_gradient_are_those_of_all_pairs(kind, power):
    scores, positives = some_scores(kind)
    mine, theirs = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    value = auc_pairwise(mine[:, None], positives[:, None].long(), margin=1.0, power=power).mean()
    expected = by_pairs(theirs, positives, 1.0, power)
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)
    (slope,), (wanted,) = torch.autograd.grad(value, mine), torch.autograd.grad(expected, theirs)
    torch.testing.assert_close(slope, wanted, rtol=1e-6, atol=1e-6 * wanted.abs().max().item() * 1e-3)


@pytest.mark.parametrize("power", POWERS)
def test_scores_far_apart_lose_no_digits(power):
    """One pair costs 1^power among scores of +-1e4; sums of powers about one centre would drown it."""
    z = torch.full((1000, 1), -1e4, dtype=torch.float64)
    z[:2] = 1e4
    targets = torch.zeros(1000, 1, dtype=torch.long)
    targets[0] = 1
    value = auc_pairwise(z, targets, margin=1.0, power=power).mean().item()
    assert value == pytest.approx(1 / 999, rel=1e-12)


@pytest.mark.parametrize("power", POWERS)
def test_the_gradient_of_any_weighing_of_the_shares_agrees_with_finite_differences(power):
    scores, positives = some_scores("normal")
    weights = torch.from_numpy(np.random.default_rng(1).normal(size=(40, 1)))
    assert torch.autograd.gradcheck(
        lambda z: (weights * auc_pairwise(z, positives[:, None].long(), margin=0.8, power=power)).sum(),
        [scores[:, None].clone().requires_grad_()],
    )


def test_value_by_hand():
    # Positives 1 and 0, negative 0.5, margin 1: max(0, 1 - 0.5) = 0.5 and max(0, 1 + 0.5) = 1.5.
    z, targets = torch.tensor([[0.0, 1.0], [0.0, 0.0], [0.0, 0.5]]), torch.tensor([1, 1, 0])
    for power, expected in ((1, (0.5 + 1.5) / 2), (2, (0.25 + 2.25) / 2), (3, (0.125 + 3.375) / 2)):
        assert auc_pairwise(z, targets, margin=1.0, power=power).mean().item() == pytest.approx(expected)


def test_shares_by_hand_half_of_each_pair_to_either_side():
    z, targets = torch.tensor([[0.0, 1.0], [0.0, 0.0], [0.0, 0.5]]), torch.tensor([1, 1, 0])
    shares = auc_pairwise(z, targets, margin=1.0, power=1)
    assert shares.tolist() == pytest.approx([3 / 2 * 0.5 / 2, 3 / 2 * 1.5 / 2, 3 / 2 * 2 / 2])


@pytest.mark.parametrize("power", POWERS)
def test_equal_scores_cost_the_margin_to_the_power(power):
    values = auc_pairwise(torch.zeros(6, 2), torch.tensor([0, 0, 1, 0, 0, 1]), margin=1.5, power=power)
    assert values.mean().item() == pytest.approx(1.5**power)


@pytest.mark.parametrize("power", POWERS)
def test_scores_apart_by_the_margin_cost_nothing_and_pull_nowhere(power):
    z = torch.tensor([[0.0, 1.0], [0.0, 2.5], [0.0, 0.0], [0.0, -3.0]], requires_grad=True)
    value = auc_pairwise(z, torch.tensor([1, 1, 0, 0]), margin=1.0, power=power).mean()
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == 0
    assert z.grad is not None
    assert not z.grad.any()


def test_a_margin_that_every_pair_misses_gives_the_closed_forms():
    """Means for power 1; variances and means for power 2."""
    scores, positives = some_scores("normal")
    ones, zeros = scores[positives], scores[~positives]
    missed = 50 - (ones.mean() - zeros.mean()).item()
    values = [
        auc_pairwise(scores[:, None], positives[:, None].long(), margin=50.0, power=power).mean().item()
        for power in (1, 2)
    ]
    square = ones.var(correction=0) + zeros.var(correction=0) + missed**2
    assert values == pytest.approx([missed, square.item()], rel=1e-10)


@pytest.mark.parametrize("power", POWERS)
def test_every_pair_in_the_wrong_order_costs_the_margin_to_the_power_at_least(power):
    scores, positives = some_scores("normal")
    value = auc_pairwise(scores[:, None], positives[:, None].long(), margin=0.7, power=power).mean().item()
    assert value >= 0.7**power * (1 - roc_auc_score(positives, scores))


def test_a_vanishing_margin_and_far_scores_leave_the_mean_gap_of_wrong_pairs():
    scores, positives = some_scores("normal")
    gaps = scores[~positives] - scores[positives][:, None]
    value = auc_pairwise(scores[:, None], positives[:, None].long(), margin=1e-9, power=1).mean().item()
    assert value == pytest.approx(gaps.clamp_min(0).mean().item(), rel=1e-6)


@pytest.mark.parametrize("power", POWERS)
def test_exchanging_two_classes_changes_nothing(power):
    z, targets = torch.randn(30, 2, dtype=torch.float64), torch.arange(30) % 5 // 4
    one = auc_pairwise(z, targets, margin=1.0, power=power)
    torch.testing.assert_close(auc_pairwise(z.flip(1), 1 - targets, margin=1.0, power=power), one)


def test_more_classes_are_each_against_the_rest_by_their_log_odds():
    rng = np.random.default_rng(0)
    z, targets = torch.from_numpy(4 * rng.normal(size=(30, 4))), torch.from_numpy(rng.integers(3, size=30))
    expected = [by_pairs(log_odds(z, k), targets == k, 1.0, 2) for k in range(3)]  # none of class 3
    value = auc_pairwise(z, targets, margin=1.0, power=2).mean()
    torch.testing.assert_close(value, torch.stack(expected).mean())


def test_log_odds_order_as_probabilities_do_and_not_as_logits():
    """By z_2 alone the positive stands first, by the probability of class 2 last."""
    z, targets = torch.tensor([[0.0, 5.0, 3.0], [0.0, 0.0, 2.0]]), torch.tensor([2, 0])
    odds = 3 - logsumexp([0, 5]) - (2 - logsumexp([0, 0]))
    class_0 = -logsumexp([0, 2]) + logsumexp([5, 3])
    expected = (max(0, 1 - odds) + max(0, 1 - class_0)) / 2
    assert auc_pairwise(z, targets, margin=1.0, power=1).mean().item() == pytest.approx(expected, rel=1e-6)


def test_log_odds_of_extreme_logits_keep_their_digits():
    z = torch.tensor([[1e4, 0.0, 0.0], [-1e4, 1e4, 1e4 - 3]], dtype=torch.float64)
    targets = torch.tensor([1, 0])
    expected = [by_pairs(log_odds(z, k), targets == k, 1.0, 2) for k in (0, 1)]
    value = auc_pairwise(z, targets, margin=1.0, power=2).mean()
    torch.testing.assert_close(value, torch.stack(expected).mean(), rtol=1e-10, atol=0)


def test_of_many_labels_the_batch_loss_is_the_mean_over_labels_that_some_bear_and_some_do_not():
    z = torch.from_numpy(np.random.default_rng(0).normal(size=(20, 4)))
    targets = torch.zeros(20, 4, dtype=torch.long)
    targets[:3, 0] = targets[2:9, 1] = targets[:, 2] = 1  # all bear label 2, none label 3
    values = auc_pairwise(z, targets, margin=1.0, power=2)
    expected = [by_pairs(z[:, k], targets[:, k] == 1, 1.0, 2) for k in (0, 1)]
    torch.testing.assert_close(values.mean(), torch.stack(expected).mean())
    assert not values[:, 2:].any()


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]])
def test_a_pair_exactly_at_the_margin_has_slope_0_in_whatever_order(order):
    z = torch.tensor([[0.0, 1.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0]])[order].requires_grad_()
    auc_pairwise(z, torch.tensor([1, 0, 1, 0])[order], margin=1.0, power=1).mean().backward()  # type: ignore[no-untyped-call]
    assert z.grad is not None
    assert not z.grad.any()


@pytest.mark.parametrize("power", POWERS)
def test_repeating_the_whole_batch_changes_nothing(power):
    z, targets = torch.randn(12, 3, dtype=torch.float64), torch.arange(12) % 3
    once = auc_pairwise(z, targets, margin=1.0, power=power).mean()
    thrice = auc_pairwise(z.repeat(3, 1), targets.repeat(3), margin=1.0, power=power).mean()
    torch.testing.assert_close(thrice, once)


def test_a_hundred_thousand_examples_need_no_matrix_of_pairs():
    """Nearly 5e9 pairs in float64 would be 38 GB."""
    n = 100_000
    targets = (torch.arange(n) % 20 == 0).long()
    z = torch.stack([torch.zeros(n), torch.arange(n) / n], dim=1).requires_grad_()
    value = auc_pairwise(z, targets, margin=2.0, power=1).mean()
    value.backward()  # type: ignore[no-untyped-call]
    score = (torch.arange(n) / n).double()
    expected = 2 - (score[targets == 1].mean() - score[targets == 0].mean())
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("power", POWERS)
def test_bfloat16_is_computed_with_all_digits_and_rounded_once(power):
    z, targets = torch.randn(64, 3).bfloat16(), torch.arange(64) % 3
    values = auc_pairwise(z, targets, margin=1.0, power=power)
    exact = auc_pairwise(z.double(), targets, margin=1.0, power=power)
    torch.testing.assert_close(values, exact.bfloat16(), rtol=0, atol=0)


def test_single_precision_is_computed_with_all_digits_and_rounded_once():
    z, targets = 1000 + torch.randn(512, 3), torch.arange(512) % 3
    exact = auc_pairwise(z.double(), targets, margin=1.0, power=2)
    torch.testing.assert_close(auc_pairwise(z, targets, margin=1.0, power=2), exact.float(), rtol=0, atol=0)


def test_a_ranking_keeps_no_prior():
    assert prior_factors(Params(margin=1.0, power=2), [9, 1]) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin": 0.0}, r"margin is 0.0; expected a number above 0"),
        ({"margin": float("nan")}, r"margin is nan; expected a number above 0"),
        ({"power": 4}, r"power is 4; expected 1, 2 or 3"),
        ({"power": 0}, r"power is 0; expected 1, 2 or 3"),
    ],
)
def test_parameters_out_of_range_are_refused(change: dict[str, Any], message: str):
    params = {"margin": 1.0, "power": 2} | change
    with pytest.raises(ValueError, match=message):
        auc_pairwise(torch.zeros(2, 2), torch.tensor([0, 1]), **params)
    with pytest.raises(config.InputError, match=rf"losses.auc_pairwise.{next(iter(change))} is"):
        losses.build("auc_pairwise", task="multiclass", class_counts=[1, 1], example_count=2, params=params)


@pytest.mark.parametrize("row", [[2.0, 2.0, -60.0], [0.0, 0.0, 0.0], [0.3, 0.3, 0.1]])
def test_the_gradient_where_the_two_largest_logits_tie_agrees_with_differences_about_it(row):
    z = torch.randn(9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    z[0] = torch.tensor(row)
    z.requires_grad_()
    targets, step = torch.arange(9) % 3, 1e-6
    (slope,) = torch.autograd.grad(auc_pairwise(z, targets, margin=1.0, power=2).mean(), z)
    for k in range(3):
        ends = []
        for sign in (1, -1):
            moved = z.detach().clone()
            moved[0, k] += sign * step
            ends.append(auc_pairwise(moved, targets, margin=1.0, power=2).mean())
        assert slope[0, k].item() == pytest.approx((ends[0] - ends[1]).item() / (2 * step), rel=1e-4, abs=1e-9)
