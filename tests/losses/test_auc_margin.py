"""The AUC margin loss against its closed form, the square over all pairs, and the paper's own normalisation."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from counterpoise import config, losses
from counterpoise.losses.auc_margin import Params, auc_margin, module_class, prior_factors

AucMargin = module_class()


def some_scores(shift: float = 0.0, n: int = 60) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (n, 1) in float64, targets, and the scores; a third are positives, higher by a shift."""
    rng = np.random.default_rng(0)
    targets = torch.from_numpy((np.arange(n) % 3 == 0).astype(np.int64))
    z = torch.from_numpy(rng.normal(size=n)) + shift * (2 * targets - 1)
    return z[:, None], targets[:, None], z.sigmoid()


def at(a: float, b: float, alpha: float) -> dict[str, Any]:
    return {name: torch.tensor([value]).double() for name, value in (("a", a), ("b", b), ("alpha", alpha))}


def closed_form(scores: Tensor, targets: Tensor, margin: float) -> float:
    ones, zeros = scores[targets[:, 0] == 1], scores[targets[:, 0] == 0]
    gap = max(0.0, margin + (zeros.mean() - ones.mean()).item())
    return (ones.var(correction=0) + zeros.var(correction=0)).item() + gap**2


@pytest.mark.parametrize("shift", [-1.0, 0.0, 1.0, 6.0])
@pytest.mark.parametrize("margin", [0.3, 1.0])
def test_the_saddle_point_gives_the_closed_form(shift, margin):
    z, targets, scores = some_scores(shift)
    value = auc_margin(z, targets, **at(0, 0, 0), margin=margin, saddle=True).mean().item()
    assert value == pytest.approx(closed_form(scores, targets, margin), rel=1e-10)


def test_with_an_active_margin_it_is_the_square_over_all_pairs():
    z, targets, scores = some_scores()
    ones, zeros = scores[targets[:, 0] == 1], scores[targets[:, 0] == 0]
    expected = ((1.0 - (ones[:, None] - zeros)) ** 2).mean()
    value = auc_margin(z, targets, **at(0, 0, 0), margin=1.0, saddle=True).mean()
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize(("shift", "margin"), [(0.5, 1.0), (4.0, 0.3)])
def test_minimum_over_a_and_b_and_maximum_over_alpha_lie_where_the_closed_form_says(shift, margin):
    z, targets, scores = some_scores(shift)
    a, b = scores[targets[:, 0] == 1].mean().item(), scores[targets[:, 0] == 0].mean().item()
    alpha = max(0.0, margin + b - a)

    def value(a: float, b: float, alpha: float) -> float:
        return auc_margin(z, targets, **at(a, b, alpha), margin=margin).mean().item()

    best = value(a, b, alpha)
    assert best == pytest.approx(closed_form(scores, targets, margin), rel=1e-9)
    assert min(value(a + d, b, alpha) for d in (-0.1, 0.1)) > best
    assert min(value(a, b + d, alpha) for d in (-0.1, 0.1)) > best
    assert max(value(a, b, other) for other in (alpha + 0.1, max(0.0, alpha - 0.1) or alpha + 0.2)) < best


@pytest.mark.parametrize(("shift", "margin"), [(0.5, 1.0), (4.0, 0.3)])
def test_ordinary_steps_down_lead_to_the_saddle_point(shift, margin):
    """Descent for a and b, ascent for alpha, which stays at 0 where the margin is kept."""
    z, targets, scores = some_scores(shift)
    loss = AucMargin(1, margin).double()
    assert isinstance(loss, losses.Constrained)
    optimizer = torch.optim.SGD(loss.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        loss(z, targets).mean().backward()
        optimizer.step()
        loss.project()
        assert loss.get_parameter("alpha").item() >= 0
    a, b = scores[targets[:, 0] == 1].mean().item(), scores[targets[:, 0] == 0].mean().item()
    found = [loss.get_parameter("a").item(), loss.get_parameter("b").item(), loss.get_parameter("alpha").item()]
    assert found == pytest.approx([a, b, max(0.0, margin + b - a)], abs=1e-6)
    assert loss(z, targets).mean().item() == pytest.approx(closed_form(scores, targets, margin), rel=1e-6)


def test_alphas_gradient_is_reversed_and_its_value_is_not():
    z, targets, scores = some_scores()
    loss = AucMargin(1, 1.0).double()
    with torch.no_grad():
        loss.get_parameter("alpha").fill_(0.25)
    value = loss(z, targets).mean()
    torch.testing.assert_close(value, auc_margin(z, targets, **at(0.5, 0.5, 0.25), margin=1.0).mean())
    (slope,) = torch.autograd.grad(value, loss.get_parameter("alpha"))
    ones, zeros = scores[targets[:, 0] == 1], scores[targets[:, 0] == 0]
    assert slope.item() == pytest.approx(-2 * (1.0 + zeros.mean() - ones.mean() - 0.25).item())


def test_it_is_the_papers_objective_divided_by_p_times_1_minus_p():
    """Their expectation runs over all examples; with the batch's own p both agree, whatever a, b and alpha."""
    z, targets, scores = some_scores()
    a, b, alpha, margin = 0.7, 0.2, 0.4, 0.9
    y, p = targets[:, 0] == 1, 1 / 3
    theirs = (
        (1 - p) * ((scores - a) ** 2 * y).mean()
        + p * ((scores - b) ** 2 * ~y).mean()
        + 2 * alpha * (p * (1 - p) * margin + (p * scores * ~y - (1 - p) * scores * y).mean())
        - p * (1 - p) * alpha**2
    )
    ours = auc_margin(z, targets, **at(a, b, alpha), margin=margin).mean()
    torch.testing.assert_close(ours, theirs / (p * (1 - p)))


@pytest.mark.parametrize("saddle", [False, True])
def test_more_negatives_of_the_same_kind_change_nothing(saddle):
    """Where terms are averaged over all examples with a constant p, the loss moves with the batch's composition."""
    z, targets, _ = some_scores()
    negatives = targets[:, 0] == 0
    more = torch.cat([z, z[negatives], z[negatives]]), torch.cat([targets, targets[negatives], targets[negatives]])
    values = [
        auc_margin(*batch, **at(0.7, 0.2, 0.4), margin=1.0, saddle=saddle).mean() for batch in ((z, targets), more)
    ]
    torch.testing.assert_close(*values)


def test_value_by_hand():
    """Scores 3/4 (positive) and 1/4; a = b = 1/2, alpha = 1: 1/16 + 1/16 + 2 (1 - 1/2) - 1."""
    z = torch.log(torch.tensor([[1.0, 3.0], [3.0, 1.0]]))
    loss = losses.build("auc_margin", task="multiclass", class_counts=[1, 1], example_count=2, params={"margin": 1.0})
    assert loss(z, torch.tensor([1, 0])).mean().item() == pytest.approx(1 / 8)


def test_a_score_that_happens_to_be_a_or_0_counts_as_any_other():
    z = torch.tensor([[0.0], [0.0], [-200.0], [-200.0]])  # scores 1/2, 1/2, 0, 0
    value = auc_margin(z, torch.tensor([[1], [1], [0], [0]]), **at(0.5, 0.5, 0.0), margin=1.0).mean()
    assert value.item() == pytest.approx(0.25)  # E-[(0 - 1/2)^2]


def test_the_start_is_the_saddle_point_of_a_network_that_knows_nothing():
    loss = AucMargin(3, 0.8)
    z, targets = torch.zeros(6, 3), torch.tensor([[1, 0, 1], [0, 1, 0]]).repeat(3, 1)
    value = loss(z, targets).mean()
    slopes = torch.autograd.grad(value, list(loss.parameters()))
    assert value.item() == pytest.approx(0.64)
    assert all(slope.abs().max() < 1e-6 for slope in slopes)
    torch.testing.assert_close(value, loss.eval()(z, targets).mean())


def test_exchanging_two_classes_changes_nothing():
    """One problem, from either side: at the start, and at the saddle point."""
    z, targets = torch.randn(30, 2, dtype=torch.float64), torch.arange(30) % 5 // 4
    for loss in (AucMargin(1, 1.0).double(), AucMargin(1, 1.0).double().eval()):
        torch.testing.assert_close(loss(z.flip(1), 1 - targets).mean(), loss(z, targets).mean())


def test_the_score_of_one_of_many_classes_is_its_probability():
    z, targets = torch.randn(30, 3, dtype=torch.float64), torch.arange(30) % 3
    probs = z.softmax(dim=1)
    expected = np.mean([closed_form(probs[:, k], (targets == k)[:, None].long(), 1.0) for k in range(3)])
    assert AucMargin(3, 1.0).eval()(z, targets).mean().item() == pytest.approx(expected)


def test_what_validation_sees_depends_on_the_network_alone():
    z, targets, _ = some_scores()
    one, other = AucMargin(1, 1.0).double().eval(), AucMargin(1, 1.0).double().eval()
    with torch.no_grad():
        other.get_parameter("a").fill_(3.0)
        other.get_parameter("alpha").fill_(7.0)
    assert torch.equal(one(z, targets), other(z, targets))


def test_a_class_without_pairs_leaves_its_parameters_alone():
    loss = AucMargin(3, 1.0)
    targets = torch.zeros(10, 3, dtype=torch.long)
    targets[:4, 0] = targets[:, 1] = 1  # all bear label 1, none label 2
    loss(torch.randn(10, 3), targets).mean().backward()
    for parameter in loss.parameters():
        assert parameter.grad is not None
        assert parameter.grad[0] != 0
        assert not parameter.grad[1:].any()


def test_the_parameters_are_a_state_that_can_be_saved_and_constrained():
    loss = losses.build("auc_margin", task="multiclass", class_counts=[5, 5], example_count=10, params={"margin": 1.0})
    assert isinstance(loss, AucMargin)
    assert isinstance(loss, losses.Constrained)
    assert {name: tuple(tensor.shape) for name, tensor in loss.state_dict().items()} == {
        "a": (1,),
        "b": (1,),
        "alpha": (1,),
    }
    with torch.no_grad():
        loss.get_parameter("alpha").fill_(-0.5)
    loss.project()
    assert loss.get_parameter("alpha").item() == 0


@pytest.mark.parametrize(("task", "counts", "problems"), [("multiclass", [5, 5, 5], 3), ("multilabel", [5, 5], 2)])
def test_each_class_and_each_label_has_parameters_of_its_own(task, counts, problems):
    loss = losses.build("auc_margin", task=task, class_counts=counts, example_count=15, params={"margin": 1.0})
    assert isinstance(loss, AucMargin)
    assert loss.get_parameter("a").shape == (problems,)


def test_a_ranking_keeps_no_prior():
    assert prior_factors(Params(margin=1.0), [9, 1]) is None


def test_a_margin_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"margin is 0.0; expected a number above 0"):
        auc_margin(torch.zeros(2, 1), torch.tensor([[0], [1]]), **at(0, 0, 0), margin=0.0)
    with pytest.raises(config.InputError, match=r"losses.auc_margin.margin is 1.5"):
        losses.build("auc_margin", task="multiclass", class_counts=[1, 1], example_count=2, params={"margin": 1.5})
