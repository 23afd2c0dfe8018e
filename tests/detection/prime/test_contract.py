"""Every rule of prime samples: values by hand, the plain method as a limit, and gradients."""

import resource
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from counterpoise.config import InputError
from counterpoise.detection import prime
from counterpoise.detection.prime import Positives, carl, isr, none, pisa

PARAMS: dict[str, Any] = {
    "none": none.Params(),
    "isr": isr.Params(bias=0.0, power=2.0),
    "carl": carl.Params(bias=0.2, power=1.0),
    "pisa": pisa.Params(isr=isr.Params(bias=0.0, power=2.0), carl=carl.Params(bias=0.2, power=1.0)),
}


def positives(
    ious: list[float],
    losses: list[float] | None = None,
    *,
    labels: list[int] | None = None,
    objects: list[int] | None = None,
    probs: list[float] | None = None,
) -> Positives:
    n = len(ious)
    return Positives(
        labels=torch.tensor(labels or [1] * n, dtype=torch.int64),
        objects=torch.tensor(objects or [0] * n, dtype=torch.int64),
        ious=torch.tensor(ious),
        probs=torch.tensor(probs or [0.5] * n),
        losses=torch.tensor(losses or [1.0] * n),
    )


def test_the_rules_there_are() -> None:
    assert prime.names() == sorted(PARAMS)


@pytest.mark.parametrize("name", ["carl", "pisa"])
def test_boxes_with_a_high_score_matter_most_by_hand(name: str) -> None:
    of = positives([0.5, 0.6, 0.7], probs=[0.9, 0.5, 0.1])
    weights = prime.find(name).box_weights(of, PARAMS[name])
    assert weights.mean().item() == pytest.approx(1)
    assert (weights * torch.tensor([0.1, 0.4, 0.8])).mean().item() == pytest.approx(0.308889, abs=1e-6)


def test_the_score_of_a_badly_placed_box_falls() -> None:
    logits = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    box_losses = torch.tensor([0.1, 2.0], dtype=torch.float64)

    def total(values: Tensor) -> Tensor:
        zeros = torch.zeros(2, dtype=torch.int64)
        of = Positives(zeros, zeros, box_losses, values.sigmoid(), box_losses)
        return (carl.box_weights(of, PARAMS["carl"]) * box_losses).sum()

    (gradient,) = torch.autograd.grad(total(logits), logits)
    assert gradient[0] < 0 < gradient[1]
    assert torch.autograd.gradcheck(total, logits)


@pytest.mark.parametrize("name", ["isr", "pisa"])
def test_classes_of_well_placed_boxes_matter_most_by_hand(name: str) -> None:
    of = positives([0.55, 0.8, 0.65, 0.9], [1, 0.2, 0.6, 0.1])
    weights = prime.find(name).class_weights(of, PARAMS[name])
    assert weights.tolist() == pytest.approx([0.279412, 2.514706, 1.117647, 4.470588], abs=1e-6)
    assert (weights * of.losses).sum().item() == pytest.approx(1.9)


def test_the_best_box_of_every_object_comes_before_the_second_best_of_any() -> None:
    of = positives([0.9, 0.8, 0.6, 0.5, 0.7], labels=[1, 1, 1, 1, 2], objects=[5, 5, 6, 6, 7])
    assert isr.ranks(of).tolist() == [0, 2, 1, 3, 0]


def test_equal_ranks_of_all_classes_weigh_the_same() -> None:
    of = positives([0.9, 0.8, 0.6, 0.7], labels=[1, 1, 1, 2], objects=[5, 6, 8, 7])
    weights = isr.class_weights(of, PARAMS["isr"])
    assert weights[0] == weights[3]
    assert (weights / weights[0]).tolist() == pytest.approx([1, 4 / 9, 1 / 9, 1])


def test_ranks_are_those_of_comparing_all_pairs() -> None:
    generator = torch.Generator().manual_seed(0)
    of = positives((torch.randint(0, 9, (60,), generator=generator) / 9).tolist())
    labels = torch.randint(0, 3, (60,), generator=generator)
    of = replace(of, labels=labels, objects=3 * torch.randint(0, 9, (60,), generator=generator) + labels)
    ious, rows = of.ious.tolist(), range(60)
    of_object = [
        sum(bool(of.objects[a] == of.objects[b]) and (-ious[a], a) < (-ious[b], b) for a in rows) for b in rows
    ]
    keys = list(zip(of_object, [-iou for iou in ious], rows, strict=True))
    wanted = [sum(bool(labels[a] == labels[b]) and keys[a] < keys[b] for a in rows) for b in rows]
    assert isr.ranks(of).tolist() == wanted


def test_ten_thousand_positives_are_ranked_without_comparing_pairs() -> None:
    """A picture with 500 objects and several anchors for each; ten thousand squared are 100 MB for each comparison."""
    of = positives(torch.rand(10_000, generator=torch.Generator().manual_seed(0)).tolist())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert isr.ranks(of).sort().values.equal(torch.arange(10_000))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_equal_ious_have_different_ranks() -> None:
    assert isr.ranks(positives([0.7, 0.7, 0.7])).tolist() == [0, 1, 2]


@pytest.mark.parametrize("params", [{"bias": 1.0, "power": 2.0}, {"bias": 0.2, "power": 0.0}])
def test_a_bias_of_one_or_a_power_of_zero_is_the_plain_loss(params: dict[str, float]) -> None:
    of = positives([0.55, 0.8, 0.65], [1, 0.2, 0.6], probs=[0.9, 0.5, 0.1])
    torch.testing.assert_close(isr.class_weights(of, isr.Params(**params)), torch.ones(3))
    torch.testing.assert_close(carl.box_weights(of, carl.Params(**params)), torch.ones(3))


@pytest.mark.parametrize("name", sorted(PARAMS))
def test_what_a_rule_leaves_alone_has_ones(name: str) -> None:
    of = positives([0.55, 0.8], [1, 0.2], probs=[0.9, 0.5])
    rule = prime.find(name)
    assert (rule.class_weights(of, PARAMS[name]) == 1).all() == (name in ("none", "carl"))
    assert (rule.box_weights(of, PARAMS[name]) == 1).all() == (name in ("none", "isr"))


@pytest.mark.parametrize("name", sorted(PARAMS))
def test_no_positives_have_no_weights(name: str) -> None:
    of, rule = positives([]), prime.find(name)
    assert rule.class_weights(of, PARAMS[name]).shape == (0,)
    assert rule.box_weights(of, PARAMS[name]).shape == (0,)


def test_losses_and_scores_of_zero_have_finite_weights_and_gradients() -> None:
    of = positives([0.6, 0.7], [0.0, 0.0], probs=[0.0, 0.0])
    assert isr.class_weights(of, PARAMS["isr"]).tolist() == [1, 1]
    probs = torch.zeros(2, requires_grad=True)
    scored = Positives(of.labels, of.objects, of.ious, probs, of.losses)
    weights = carl.box_weights(scored, carl.Params(bias=0.0, power=0.5))
    (gradient,) = torch.autograd.grad((weights * torch.tensor([1.0, 2.0])).sum(), probs)
    assert torch.isfinite(weights).all()
    assert torch.isfinite(gradient).all()


def test_a_mistyped_name_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match=r"detector.prime is 'pizza'; .*did you mean 'pisa'"):
        prime.find("pizza")
