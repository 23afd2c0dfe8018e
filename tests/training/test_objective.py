"""What training minimises: weights, denominators, and the lines of the ledger that go with them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from counterpoise import config, losses
from counterpoise.artifacts.prior import Prior
from counterpoise.calibration import links, prior_ledger
from counterpoise.training import objective

PLAIN = {"label_smoothing": 0.0}


def weights(scheme: str, defer_frac: float = 0.0) -> config.Weighting:
    return config.Weighting.model_validate({"scheme": scheme, "beta": 0.999, "defer_frac": defer_frac})


def a_prior(*lines: prior_ledger.Line, counts: tuple[int, ...] = (30, 10), total: int | None = None) -> Prior:
    task, images = ("multiclass", sum(counts)) if total is None else ("multilabel", total)
    return Prior(task, ("a", "b"), (90, 10), (90, 10), counts, 100, 100, images, lines)


def test_the_ledger_holds_the_weights_and_what_the_loss_does() -> None:
    goal, lines = objective.build(
        a_prior(prior_ledger.Line("split", "train", (1.0, 1.0))), "cross_entropy", PLAIN, weights("balanced")
    )
    assert goal.class_weights.tolist() == pytest.approx([2 / 3, 2])  # of the draws, not of the manifest
    assert [line.piece for line in lines] == ["split", "weighting.scheme", "loss"]
    assert lines[1].factors == pytest.approx((2 / 3, 2))
    assert lines[2].factors == (1.0, 1.0)


def test_a_pos_weight_stands_in_the_ledger_as_the_factor_of_the_odds() -> None:
    goal, lines = objective.build(a_prior(total=40), "cross_entropy", PLAIN, weights("negatives_over_positives"))
    assert goal.class_weights.tolist() == pytest.approx([1 / 3, 3])
    assert lines[0].factors == pytest.approx((1 / 3, 3))


def test_a_class_that_is_never_drawn_leaves_its_prior_alone() -> None:
    goal, lines = objective.build(a_prior(counts=(30, 0)), "cross_entropy", PLAIN, weights("balanced"))
    assert goal.class_weights.tolist() == [1, 0]
    assert lines[0].factors == (1, 1)


def test_of_many_labels_it_is_pytorchs_pos_weight() -> None:
    goal, _ = objective.build(a_prior(total=40), "cross_entropy", PLAIN, weights("negatives_over_positives"))
    logits, targets = (
        torch.randn(7, 2, generator=torch.Generator().manual_seed(0)),
        torch.tensor([[1, 0]] * 3 + [[0, 1]] * 4),
    )
    expected = functional.binary_cross_entropy_with_logits(
        logits, targets.float(), pos_weight=torch.tensor([1 / 3, 3.0])
    )
    torch.testing.assert_close(goal(logits, targets), expected)


def test_the_denominator_of_the_mean_is_the_number_of_values() -> None:
    """Not the sum of the weights: logits of zero cost log 2 each, so (1 + 1 + 4) / 3 log 2."""
    loss = losses.build(
        "cross_entropy", task="multiclass", class_counts=(2, 1), example_count=3, params={"label_smoothing": 0.0}
    )
    goal = objective.Objective(loss, torch.tensor([1.0, 4.0]), "multiclass")
    value = goal(torch.zeros(3, 2), torch.tensor([0, 0, 1]))
    assert float(value) == pytest.approx(2 * np.log(2))


RANKING = {"margin": 1.0, "power": 2}


def test_shares_of_a_ranking_are_averaged_without_weights_and_what_they_do_to_the_prior_is_unknown() -> None:
    """Not even the weight of 0 that a class has which is never drawn: validation may hold it."""
    goal, lines = objective.build(a_prior(counts=(30, 0)), "auc_pairwise", RANKING, weights("none"))
    assert goal.ranks
    assert float(goal(torch.zeros(4, 2), torch.tensor([0, 0, 1, 0]))) == pytest.approx(1)
    assert lines[-1].factors is None
    assert prior_ledger.seen([0.9, 0.1], lines, task="multiclass") is None


def test_other_losses_do_not_rank() -> None:
    goal, _ = objective.build(a_prior(), "cross_entropy", PLAIN, weights("none"))
    assert not goal.ranks


@pytest.mark.parametrize(("scheme", "total"), [("balanced", None), ("negatives_over_positives", 40)])
def test_a_ranking_with_class_weights_is_refused(scheme: str, total: int | None) -> None:
    with pytest.raises(
        config.InputError,
        match=f"weighting.scheme is '{scheme}', but loss 'auc_pairwise' compares examples with each other",
    ):
        objective.build(a_prior(total=total), "auc_pairwise", RANKING, weights(scheme))


def test_a_loss_that_rebalances_by_itself_is_refused_with_class_weights() -> None:
    with pytest.raises(
        config.InputError, match="'balanced', but loss 'balanced_softmax' already corrects for class counts"
    ):
        objective.build(a_prior(), "balanced_softmax", {}, weights("balanced"))


def test_balanced_softmax_and_balanced_weights_make_a_model_see_the_same_prior() -> None:
    _, shifted = objective.build(a_prior(), "balanced_softmax", {}, weights("none"))
    _, weighted = objective.build(a_prior(), "cross_entropy", PLAIN, weights("balanced"))
    drawn = links.find("softmax").prior_of_counts(a_prior().drawn_counts, a_prior().drawn_total)
    assert shifted[-1].factors == pytest.approx(weighted[0].factors)
    assert prior_ledger.seen(drawn, shifted, task="multiclass") == pytest.approx([0.5, 0.5])
    assert objective.initial_bias(a_prior(), shifted).tolist() == pytest.approx([np.log(0.5)] * 2)


def test_plain_cross_entropy_is_pytorchs_for_both_tasks() -> None:
    logits, targets = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    assert torch.equal(links.find("softmax").cross_entropy(logits, targets), functional.cross_entropy(logits, targets))
    present = (logits.flip(0) > 0).long()
    expected = functional.binary_cross_entropy_with_logits(logits, present.float())
    assert torch.equal(links.find("sigmoid").cross_entropy(logits, present), expected)


@pytest.mark.parametrize(("scheme", "total"), [("negatives_over_positives", None), ("balanced", 40)])
def test_a_scheme_of_the_other_task_is_refused(scheme: str, total: int | None) -> None:
    with pytest.raises(config.InputError, match=f"params.yaml: weighting.scheme is '{scheme}'; expected one of"):
        objective.build(a_prior(total=total), "cross_entropy", PLAIN, weights(scheme))


def test_beta_reaches_the_weights() -> None:
    half = config.Weighting.model_validate({"scheme": "effective_number", "beta": 0.5, "defer_frac": 0.0})
    goal, _ = objective.build(a_prior(counts=(3, 1)), "cross_entropy", PLAIN, half)
    raw = np.array([0.5 / (1 - 0.5**3), 1.0])
    assert goal.class_weights.tolist() == pytest.approx((raw * 4 / (raw @ [3, 1])).tolist())


def test_deferred_weights_are_unknown_in_the_ledger_and_wait_in_the_objective() -> None:
    goal, lines = objective.build(a_prior(), "cross_entropy", PLAIN, weights("balanced", 0.8))
    assert goal.class_weights.tolist() == pytest.approx([2 / 3, 2])
    assert lines[0] == prior_ledger.Line("weighting.scheme", "balanced, deferred", None)
    logits, targets = torch.randn(8, 2), torch.arange(8) % 2
    torch.testing.assert_close(goal.unweighted()(logits, targets), functional.cross_entropy(logits, targets))
    assert goal(logits, targets) != goal.unweighted()(logits, targets)


OF_CLASSES = [name for name in losses.names() if "multiclass" in losses.module(name).TASKS and not losses.ranks(name)]
"""Constant scores rank nothing, wherever they lie."""


@pytest.mark.parametrize("loss", OF_CLASSES)
def test_a_model_begins_where_its_loss_costs_no_more_than_at_zero_or_at_the_prior(loss: str) -> None:
    """The start knows the prior once, never twice: losses that hold the counts begin at zero, or where they cancel."""
    drawn = Prior("multiclass", ("a", "b", "c"), *3 * ((900, 90, 10),), *3 * (1000,), ())
    block = config.load(Path(__file__).parents[2])["losses"][loss]
    goal, lines = objective.build(drawn, loss, block, weights("none"))
    targets = torch.repeat_interleave(torch.arange(3), torch.tensor(drawn.drawn_counts))
    start = objective.initial_bias(drawn, lines)
    others = (torch.zeros(3), torch.tensor(drawn.drawn_counts).log() - np.log(1000))
    costs = [float(goal(logits.expand(1000, 3), targets)) for logits in (start, *others)]
    assert costs[0] <= min(costs) + 1e-6


def test_a_model_begins_at_the_prior_of_the_first_epochs() -> None:
    drawn = Prior("multiclass", ("a", "b"), (90, 10), (80, 20), (80, 80), 100, 100, 160, ())
    assert objective.initial_bias(drawn, ()).exp().tolist() == pytest.approx([0.5, 0.5])
    assert objective.initial_bias(drawn, (), draws_deferred=True).exp().tolist() == pytest.approx([0.8, 0.2])
