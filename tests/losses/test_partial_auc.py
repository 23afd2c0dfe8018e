"""The hinge over the hardest negatives against its definition pair by pair, and against the dual form of the paper."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from counterpoise import config, losses
from counterpoise.losses.auc_pairwise import auc_pairwise
from counterpoise.losses.partial_auc import Params, partial_auc, prior_factors


def by_pairs(scores: np.ndarray, positives: np.ndarray, margin: float, max_fpr: float) -> float:
    """Mean over positives of the mean over the hardest negatives, as the definition says."""
    hardest = np.sort(scores[~positives])[::-1]
    count = max_fpr * len(hardest)
    weights = np.clip(count - np.arange(len(hardest)), 0, 1)
    pairs = np.maximum(0, margin - (scores[positives][:, None] - hardest)) ** 2
    return float((pairs * weights).sum(axis=1).mean() / count)


def some_scores(kind: str = "normal") -> tuple[np.ndarray, np.ndarray]:
    """40 scores, 9 of positives."""
    rng = np.random.default_rng(0)
    positives = rng.permutation(40) < 9
    scores = {
        "normal": rng.normal(size=40),
        "tied": rng.integers(-2, 3, size=40) / 2,
        "all equal": np.full(40, 3.0),
        "extreme": rng.choice([-1e4, 0.0, 1e4], size=40),
    }[kind]
    return scores, positives


def of_column(scores: np.ndarray, positives: np.ndarray, margin: float, max_fpr: float) -> torch.Tensor:
    targets = torch.from_numpy(positives)[:, None].long()
    return partial_auc(torch.from_numpy(scores)[:, None], targets, margin=margin, max_fpr=max_fpr)


@pytest.mark.parametrize("kind", ["normal", "tied", "all equal", "extreme"])
@pytest.mark.parametrize("max_fpr", [0.01, 0.1, 0.3, 0.5, 1.0])
def test_the_value_is_that_of_the_pairs_with_the_hardest_negatives(kind, max_fpr):
    scores, positives = some_scores(kind)
    value = of_column(scores, positives, 1.0, max_fpr).mean().item()
    assert value == pytest.approx(by_pairs(scores, positives, 1.0, max_fpr), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("max_fpr", [0.1, 0.35])
def test_the_value_is_the_minimum_of_the_dual_form_that_libauc_steps_towards(max_fpr):
    """min over s_i of s_i + 1 / (b N) sum_j max(0, L_ij - s_i), for each positive i."""
    scores, positives = some_scores()
    pairs = np.maximum(0, 1 - (scores[positives][:, None] - scores[~positives])) ** 2

    def dual(s: float, row: np.ndarray) -> float:
        return float(s + np.maximum(0, row - s).sum() / (max_fpr * len(row)))

    found = [
        minimize_scalar(dual, args=(row,), bounds=(-1, row.max() + 1), method="bounded", options={"xatol": 1e-10}).fun
        for row in pairs
    ]
    assert of_column(scores, positives, 1.0, max_fpr).mean().item() == pytest.approx(np.mean(found), rel=1e-6)


def test_the_gradient_agrees_with_finite_differences():
    scores, positives = some_scores()
    weights = torch.from_numpy(np.random.default_rng(1).normal(size=(40, 1)))
    targets = torch.from_numpy(positives)[:, None].long()
    assert torch.autograd.gradcheck(
        lambda z: (weights * partial_auc(z, targets, margin=0.8, max_fpr=0.25)).sum(),
        [torch.from_numpy(scores)[:, None].requires_grad_()],
    )


def test_all_negatives_give_the_pairwise_hinge():
    scores, positives = some_scores()
    z, targets = torch.from_numpy(scores)[:, None], torch.from_numpy(positives)[:, None].long()
    expected = auc_pairwise(z, targets, margin=1.0, power=2).mean()
    torch.testing.assert_close(partial_auc(z, targets, margin=1.0, max_fpr=1.0).mean(), expected)


def test_easy_negatives_have_no_slope():
    scores, positives = some_scores()
    z = torch.from_numpy(scores)[:, None].requires_grad_()
    partial_auc(z, torch.from_numpy(positives)[:, None].long(), margin=9.0, max_fpr=0.2).mean().backward()  # type: ignore[no-untyped-call]
    assert z.grad is not None
    order = np.argsort(-scores[~positives])
    slopes = z.grad[:, 0].numpy()[~positives][order]
    assert (slopes[:7] > 0).all(), "0.2 x 31 = 6.2 negatives"
    assert not slopes[7:].any()


def test_value_by_hand():
    # Positives 1 and 0, negatives 0.5 and -3, half of them: (1 - 0.5)^2 and (1 + 0.5)^2.
    z, targets = torch.tensor([[1.0], [0.0], [0.5], [-3.0]]), torch.tensor([[1], [1], [0], [0]])
    assert partial_auc(z, targets, margin=1.0, max_fpr=0.5).mean().item() == pytest.approx((0.25 + 2.25) / 2)


def test_less_than_one_negative_is_the_hardest_one():
    z, targets = torch.tensor([[1.0], [0.5], [-3.0]]), torch.tensor([[1], [0], [0]])
    assert partial_auc(z, targets, margin=1.0, max_fpr=0.1).mean().item() == pytest.approx(0.25)


def test_more_classes_are_each_against_the_rest_by_their_log_odds():
    rng = np.random.default_rng(0)
    z, targets = 4 * rng.normal(size=(30, 4)), rng.integers(3, size=30)  # none of class 3
    odds = [z[:, k] - logsumexp(np.delete(z, k, axis=1), axis=1) for k in range(3)]
    expected = np.mean([by_pairs(odds[k], targets == k, 1.0, 0.2) for k in range(3)])
    value = partial_auc(torch.from_numpy(z), torch.from_numpy(targets), margin=1.0, max_fpr=0.2).mean().item()
    assert value == pytest.approx(expected)


def test_a_hundred_thousand_examples_need_no_matrix_of_pairs():
    n = 100_000
    targets = (torch.arange(n) % 20 == 0).long()
    z = torch.stack([torch.zeros(n), torch.arange(n) / n], dim=1).requires_grad_()
    value = partial_auc(z, targets, margin=2.0, max_fpr=0.2).mean()
    value.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(value)


def test_a_ranking_keeps_no_prior():
    assert prior_factors(Params(margin=1.0, max_fpr=0.2), [9, 1]) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin": 0.0}, r"margin is 0.0; expected a number above 0"),
        ({"max_fpr": 0.0}, r"max_fpr is 0.0; expected a number in \(0, 1\]"),
        ({"max_fpr": 1.5}, r"max_fpr is 1.5; expected a number in \(0, 1\]"),
    ],
)
def test_parameters_out_of_range_are_refused(change: dict[str, Any], message: str):
    params = {"margin": 1.0, "max_fpr": 0.2} | change
    with pytest.raises(ValueError, match=message):
        partial_auc(torch.zeros(2, 2), torch.tensor([0, 1]), **params)
    with pytest.raises(config.InputError, match=rf"losses.partial_auc.{next(iter(change))} is"):
        losses.build("partial_auc", task="multiclass", class_counts=[1, 1], example_count=2, params=params)
