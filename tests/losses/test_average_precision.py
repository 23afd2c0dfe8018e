"""Smooth average precision against its formula, its limits in tau, and scikit-learn."""

import weakref
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from counterpoise import config, losses
from counterpoise.losses import average_precision as file
from counterpoise.losses.average_precision import Params, average_precision, prior_factors


def by_formula(scores: Tensor, positives: Tensor, tau: float) -> Tensor:
    """One minus the mean precision, with every rank written out."""
    precisions = []
    for i in positives.nonzero()[:, 0].tolist():
        ahead = ((scores - scores[i]) / tau).sigmoid()
        among = 1 + sum(ahead[j] for j in positives.nonzero()[:, 0].tolist() if j != i)
        precisions.append(among / (among + ahead[~positives].sum()))
    return 1 - torch.stack(precisions).mean()


def some_labels(n: int = 20) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.normal(size=(n, 3))), torch.from_numpy((rng.random((n, 3)) < 0.3).astype(np.int64))


@pytest.mark.parametrize("tau", [0.01, 0.3, 1.0, 7.0])
def test_value_and_gradient_are_those_of_the_formula(tau):
    z, targets = some_labels()
    mine, theirs = z.clone().requires_grad_(), z.clone().requires_grad_()
    value = average_precision(mine, targets, tau=tau).mean()
    expected = torch.stack([by_formula(theirs[:, k], targets[:, k] == 1, tau) for k in range(3)]).mean()
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(value, mine), torch.autograd.grad(expected, theirs), rtol=1e-8, atol=1e-12
    )


def test_the_gradient_of_any_weighing_of_the_shares_agrees_with_finite_differences():
    z, targets = some_labels(12)
    weights = torch.from_numpy(np.random.default_rng(1).normal(size=(12, 3)))
    assert torch.autograd.gradcheck(
        lambda logits: (weights * average_precision(logits, targets, tau=0.5)).sum(), [z.requires_grad_()]
    )


def test_a_vanishing_tau_gives_scikit_learns_average_precision_of_labels():
    z, targets = some_labels(200)
    values = average_precision(z, targets, tau=1e-6).mean(dim=0)
    expected = [1 - average_precision_score(targets[:, k], z[:, k]) for k in range(3)]
    assert values.tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_a_vanishing_tau_gives_scikit_learns_average_precision_by_probabilities(classes):
    rng = np.random.default_rng(classes)
    z, targets = (
        torch.from_numpy(2 * rng.normal(size=(200, classes))),
        torch.from_numpy(rng.integers(classes, size=200)),
    )
    probs = z.softmax(dim=1).numpy()
    expected = np.mean([1 - average_precision_score(targets == k, probs[:, k]) for k in range(classes)])
    assert average_precision(z, targets, tau=1e-6).mean().item() == pytest.approx(expected, rel=1e-5)


def test_value_by_hand():
    # Scores 2, 1, 0 of positive, negative, positive: precisions 1 and 2/3 at a small tau.
    value = average_precision(torch.tensor([[2.0], [1.0], [0.0]]), torch.tensor([[1], [0], [1]]), tau=0.01)
    assert value.flatten().tolist() == pytest.approx([0, 0, 3 * (1 - 2 / 3) / 2], abs=1e-6)


@pytest.mark.parametrize("z", [torch.zeros(12, 1), torch.randn(12, 1)])
def test_ties_and_a_growing_tau_leave_every_rank_in_the_middle(z):
    """Of 3 positives and 9 negatives: (1 + 2/2) / (1 + 2/2 + 9/2) = 4/13."""
    targets = (torch.arange(12) < 3).long()[:, None]
    assert average_precision(z, targets, tau=1e6).mean().item() == pytest.approx(1 - 4 / 13, rel=1e-5)


def test_a_perfect_ranking_costs_nothing_and_the_reverse_most():
    z, targets = torch.tensor([[50.0], [40.0], [0.0], [-40.0]]), torch.tensor([[1], [1], [0], [0]])
    assert average_precision(z, targets, tau=0.1).mean().item() == pytest.approx(0, abs=1e-12)
    worst = 1 - (1 / 3 + 2 / 4) / 2
    assert average_precision(-z, targets, tau=0.1).mean().item() == pytest.approx(worst, rel=1e-6)


def test_two_classes_are_two_problems():
    z, targets = torch.randn(30, 2, dtype=torch.float64), torch.arange(30) % 5 // 4
    gap = z[:, 1] - z[:, 0]
    expected = (by_formula(gap, targets == 1, 0.5) + by_formula(-gap, targets == 0, 0.5)) / 2
    torch.testing.assert_close(average_precision(z, targets, tau=0.5).mean(), expected)


def test_a_class_without_positives_or_without_negatives_counts_neither_above_nor_below_the_line():
    z, _ = some_labels(20)
    targets = torch.zeros(20, 3, dtype=torch.long)
    targets[:4, 0] = targets[:, 1] = 1
    values = average_precision(z, targets, tau=0.5)
    torch.testing.assert_close(values.mean(), by_formula(z[:, 0], targets[:, 0] == 1, 0.5))
    assert not values[:, 1:].any()


@pytest.mark.parametrize("chunk", [1, 45, 1000])
def test_the_size_of_a_chunk_changes_nothing(chunk, monkeypatch):
    z, targets = some_labels()
    found = []
    for size in (file.CHUNK, chunk):
        monkeypatch.setattr(file, "CHUNK", size)
        logits = z.clone().requires_grad_()
        values = average_precision(logits, targets, tau=0.5)
        found.append((values.detach(), *torch.autograd.grad((values * values.detach().exp()).sum(), logits)))
    torch.testing.assert_close(*found)


class Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the numbers in all tensors that live at one time, and the most there ever were."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for tensor in found if isinstance(found, (list, tuple)) else [found]:
            if isinstance(tensor, Tensor):
                self.now += tensor.numel()
                self.most = max(self.most, self.now)
                weakref.finalize(tensor, self.forget, tensor.numel())
        return found

    def forget(self, count: int) -> None:
        self.now -= count


def test_no_more_than_a_few_chunks_of_pairs_live_at_once_forwards_and_backwards(monkeypatch):
    """Views counted anew, not half of one matrix of 500 x 2000 pairs."""
    monkeypatch.setattr(file, "CHUNK", 20_000)
    z, targets = torch.randn(2000, 1, requires_grad=True), (torch.arange(2000) % 4 == 0).long()[:, None]
    with Live() as live:
        average_precision(z, targets, tau=1.0).mean().backward()  # type: ignore[no-untyped-call]
    assert z.grad is not None
    assert 20_000 < live.most < 500 * 2000 / 2


def test_a_ranking_keeps_no_prior():
    assert prior_factors(Params(tau=1.0), [9, 1]) is None


def test_tau_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"tau is 0.0; expected a number above 0"):
        average_precision(torch.zeros(2, 2), torch.tensor([0, 1]), tau=0.0)
    with pytest.raises(config.InputError, match=r"losses.average_precision.tau is 0.0"):
        losses.build("average_precision", task="multiclass", class_counts=[1, 1], example_count=2, params={"tau": 0.0})


@pytest.mark.parametrize("row", [[2.0, 2.0, -60.0], [0.0, 0.0, 0.0], [0.3, 0.3, 0.1]])
def test_the_gradient_where_the_two_largest_logits_tie_agrees_with_differences_about_it(row):
    z = torch.randn(9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    z[0] = torch.tensor(row)
    z.requires_grad_()
    targets, step = torch.arange(9) % 3, 1e-6
    (slope,) = torch.autograd.grad(average_precision(z, targets, tau=0.5).mean(), z)
    for k in range(3):
        ends = []
        for sign in (1, -1):
            moved = z.detach().clone()
            moved[0, k] += sign * step
            ends.append(average_precision(moved, targets, tau=0.5).mean())
        assert slope[0, k].item() == pytest.approx((ends[0] - ends[1]).item() / (2 * step), rel=1e-4, abs=1e-9)
