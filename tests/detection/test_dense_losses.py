"""Losses of dense heads: by hand, with every prime rule and sampler, and what teaches nothing."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.detection import plans
from torch import Tensor

from counterpoise.detection import dense, dense_losses
from counterpoise.detection.assignment import Assigned
from counterpoise.detection.dense_losses import SIGMOID, SOFTMAX

ANCHORS = torch.tensor([[0.0, 0, 8, 8], [8, 0, 16, 8], [16, 0, 24, 8], [24, 0, 32, 8]])
OBJECT = plans.truth([[0.0, 0, 8, 8], [16, 0, 26, 8]], [1, 0])
CODER = dense.coder((1.0, 1.0, 1.0, 1.0))


def assigned(labels: list[int], objects: list[int] | None = None) -> Assigned:
    return Assigned(torch.tensor(labels), torch.tensor(objects or [0] * len(labels)), torch.zeros(len(labels)))


def learned(
    logits: Tensor, numbers: Tensor, of: list[Assigned], box_loss: str = "l1", **changes: Any
) -> dict[str, Tensor]:
    plan = plans.plan("retinanet", box_loss, 2, **changes)
    pictures = [OBJECT] * len(of)
    rules = dense_losses.rules(plan, SIGMOID, CODER)
    return dense_losses.learn(logits, numbers, ANCHORS, pictures, of, of, plans.lesson("retinanet"), rules)


def test_losses_by_hand() -> None:
    of = assigned([2, 0, 1, -1], [0, 0, 1, 0])
    found = learned(torch.zeros(1, 4, 2), torch.zeros(1, 4, 4), [of])
    assert found["head_class"].item() == pytest.approx(3 * 2 * 0.693147 / 2), "three anchors, two classes, two objects"
    # The second object is an eighth of the anchor to the right and a quarter wider: dx = 1 / 8, dw = log 10 / 8.
    assert found["head_box"].item() == pytest.approx((0.125 + 0.223144) / 2, abs=1e-6)
    assert learned(torch.zeros(1, 4, 2), torch.zeros(1, 4, 4), [of], box_weight=3.0)[
        "head_box"
    ].item() == pytest.approx(1.5 * (0.125 + 0.223144), abs=1e-6)
    boxes = learned(torch.zeros(1, 4, 2), torch.zeros(1, 4, 4), [of], "iou")
    assert boxes["head_box"].item() == pytest.approx(0.223144 / 2, abs=1e-6), "the second box has an IoU of 8 / 10"


def test_sums_are_divided_by_the_positives_of_the_batch() -> None:
    of = [assigned([2, 0, 1, -1], [0, 0, 1, 0]), assigned([0, 0, 0, 0])]
    found = learned(torch.zeros(2, 4, 2), torch.zeros(2, 4, 4), of)
    assert found["head_class"].item() == pytest.approx(7 * 2 * 0.693147 / 2)
    empty = learned(torch.zeros(2, 4, 2), torch.zeros(2, 4, 4), [of[1], of[1]])
    assert empty["head_class"].item() == pytest.approx(8 * 2 * 0.693147), "background teaches by itself, too"
    assert empty["head_box"].item() == 0


def test_a_sampler_that_takes_everything_gives_the_plain_sum_by_another_divisor() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, numbers = torch.randn(1, 4, 2, generator=generator), torch.randn(1, 4, 4, generator=generator)
    of = [assigned([2, 0, 1, -1], [0, 0, 1, 0])]
    plain = learned(logits, numbers, of)["head_class"]
    for sampler in ("random", "iou_balanced", "ohem"):
        found = learned(logits, numbers, of, sampler=sampler, positive_frac=1.0)["head_class"]
        torch.testing.assert_close(found * max(3 / 4, 1), plain * 2, msg=sampler)


def test_only_chosen_anchors_teach() -> None:
    seen: list[int] = []

    def counted(logits: Tensor, targets: Tensor) -> Tensor:
        seen.append(len(logits))
        return plans.bce(logits, targets)

    logits = torch.zeros(1, 400, 2).requires_grad_()
    anchors = ANCHORS.repeat(100, 1)
    of = [assigned([2] + [0] * 399)]
    rules = dense_losses.rules(plans.plan("retinanet", sampler="random", samples=64), SIGMOID, CODER)
    found = dense_losses.learn(
        logits, torch.zeros(1, 400, 4), anchors, [OBJECT], of, of, plans.lesson("retinanet", class_loss=counted), rules
    )
    (gradient,) = torch.autograd.grad(found["head_class"], logits)
    assert (gradient[0].abs().sum(dim=1) > 0).sum() == 64
    assert found["head_class"].item() == pytest.approx(4 * 2 * 0.693147), "four times the mean"
    assert seen == [64], "a loss that weighs examples by each other sees those that teach, once"


def test_what_is_ignored_changes_no_loss_and_gets_no_gradient() -> None:
    for sampler in ("every", "random", "hard_negative", "ohem", "iou_balanced"):
        logits, numbers = torch.zeros(1, 4, 2).requires_grad_(), torch.zeros(1, 4, 4).requires_grad_()
        of = [assigned([2, 0, 0, -1])]
        before = learned(logits, numbers, of, sampler=sampler)
        for gradient in torch.autograd.grad(before["head_class"] + before["head_box"], [logits, numbers]):
            assert not gradient[0, 3].any()
        with torch.no_grad():
            logits[0, 3], numbers[0, 3] = 9.0, -5.0
        after = learned(logits, numbers, of, sampler=sampler)
        assert before == after


def test_all_ignored_is_zero_with_a_gradient_of_zero() -> None:
    logits, numbers = torch.zeros(1, 4, 2).requires_grad_(), torch.zeros(1, 4, 4).requires_grad_()
    for box_loss in ("l1", "giou", "ciou"):
        for rule in ("none", "pisa"):
            found = learned(logits, numbers, [assigned([-1] * 4)], box_loss, prime=rule)
            assert [value.item() for value in found.values()] == [0, 0]
            for gradient in torch.autograd.grad(found["head_class"] + found["head_box"], [logits, numbers]):
                assert not gradient.any()


def test_prime_rules_by_hand() -> None:
    logits = torch.tensor([[[0.0, 2.0], [-3.0, -3.0], [-1.0, 0.0], [0.0, 0.0]]])
    numbers = torch.zeros(1, 4, 4)
    numbers[0, 0, 0] = 0.5  # an IoU of 1 / 3; the other positive has 8 / 10
    of = [assigned([2, 0, 1, -1], [0, 0, 1, 0])]
    plain, carl, isr = (learned(logits, numbers, of, prime=rule) for rule in ("none", "carl", "isr"))
    values = torch.tensor([0.2, 0.2]) + 0.8 * torch.tensor([2.0, -1.0]).sigmoid()
    boxes = torch.tensor([0.5, 0.125 + 0.223144])
    torch.testing.assert_close(carl["head_box"], (values * boxes).sum() / values.sum(), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(carl["head_class"], plain["head_class"])
    torch.testing.assert_close(isr["head_box"], plain["head_box"])
    torch.testing.assert_close(isr["head_class"], plain["head_class"], msg="one of each class, so nothing to rank")
    same = [replace(of[0], labels=torch.tensor([2, 0, 2, -1]))]
    ranked, unranked = (learned(logits.detach(), numbers, same, prime=rule)["head_class"] for rule in ("isr", "none"))
    torch.testing.assert_close(ranked, unranked, msg="the sum stays")


def test_isr_gives_the_gradient_to_the_box_that_lies_best() -> None:
    numbers = torch.zeros(1, 4, 4)
    numbers[0, 0, 0] = 0.5
    of = [assigned([2, 0, 2, -1], [0, 0, 1, 0])]
    sizes = {}
    for rule in ("none", "isr"):
        logits = torch.zeros(1, 4, 2).requires_grad_()
        (gradient,) = torch.autograd.grad(learned(logits, numbers, of, prime=rule)["head_class"], logits)
        sizes[rule] = gradient[0, [0, 2], 1].abs().tolist()
    assert sizes["none"][0] == sizes["none"][1]
    assert sizes["isr"][1] == pytest.approx(4 * sizes["isr"][0]), "u = 1 and 1/2, squared"


def test_a_softmax_has_background_first() -> None:
    rows = SOFTMAX.row_losses(torch.tensor([[2.0, 0, 0], [0, 2, 0]]), torch.tensor([0, 2]), plans.softmax)
    assert rows.tolist() == pytest.approx([0.239545, 2.239545], abs=1e-5)
    assert SOFTMAX.probs(torch.zeros(1, 3)).tolist() == [pytest.approx([1 / 3, 1 / 3])]


def test_losses_are_finite_where_half_precision_overflows() -> None:
    logits, numbers = torch.full((1, 4, 2), 3e4).half(), torch.full((1, 4, 4), 6e4).half()
    of = [assigned([2, 0, 1, -1], [0, 0, 1, 0])]
    for box_loss in ("l1", "l2", "giou", "bounded_iou", "ciou"):
        leaf = numbers.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            found = learned(logits, leaf, of, box_loss)
        assert all(value.isfinite() for value in found.values()), box_loss
        assert torch.autograd.grad(found["head_box"], leaf)[0].isfinite().all(), box_loss
