"""Every rule of task weights: values by hand, the plain sum as a limit, and gradients."""

import math

import pytest
import torch
from torch import nn

from counterpoise.config import InputError
from counterpoise.detection import box_losses, task_weights
from counterpoise.detection.task_weights import fixed, guided, uncertainty

LOSSES = {
    "rpn_class": torch.tensor(0.3),
    "rpn_box": torch.tensor(0.1),
    "roi_class": torch.tensor(0.02),
    "roi_box": torch.tensor(0.8),
}


def test_fixed_weights_are_the_plain_sum() -> None:
    assert fixed.build(list(LOSSES), fixed.Params())(LOSSES).item() == pytest.approx(1.22)


def test_guided_weights_scale_the_classes_to_the_boxes_of_their_head() -> None:
    logits = {key: value.clone().requires_grad_() for key, value in LOSSES.items()}
    total = guided.build(list(LOSSES), guided.Params())(logits)
    assert total.item() == pytest.approx(0.1 + 0.1 + 0.8 + 0.8)
    gradients = torch.autograd.grad(total, list(logits.values()))
    assert [gradient.item() for gradient in gradients] == pytest.approx([1 / 3, 1, 40, 1])


@pytest.mark.parametrize(("boxes", "classes"), [(0.0, 0.5), (0.5, 0.0), (0.0, 0.0)])
def test_guided_weights_without_objects_or_errors_are_the_plain_sum(boxes: float, classes: float) -> None:
    losses = {"roi_class": torch.tensor(classes, requires_grad=True), "roi_box": torch.tensor(boxes)}
    total = guided.combine(losses)
    assert total.item() == boxes + classes
    assert torch.autograd.grad(total, losses["roi_class"])[0].item() == 1


def test_a_loss_without_a_partner_counts_plainly() -> None:
    losses = {"roi_class": torch.tensor(0.5), "centre": torch.tensor(0.25)}
    assert guided.combine(losses).item() == 0.75
    assert fixed.combine(losses).item() == 0.75


def test_uncertainty_starts_as_the_plain_sum() -> None:
    combine = uncertainty.build(list(LOSSES), uncertainty.Params())
    assert combine(LOSSES).item() == pytest.approx(1.22)


def test_uncertainty_by_hand_and_its_best_weights_are_the_inverse_losses() -> None:
    combine = uncertainty.build(["a_class", "a_box"], uncertainty.Params())
    losses = {"a_box": torch.tensor(0.5), "a_class": torch.tensor(2.0)}
    (s,) = combine.parameters()
    assert isinstance(s, nn.Parameter)
    with torch.no_grad():
        s.copy_(torch.tensor([1.0, -1.0]))
    assert combine(losses).item() == pytest.approx(2 * math.exp(-1) + 1 + 0.5 * math.e - 1)
    with torch.no_grad():
        s.copy_(torch.tensor([2.0, 0.5]).log())
    (gradient,) = torch.autograd.grad(combine(losses), s)
    assert gradient.tolist() == pytest.approx([0, 0], abs=1e-6)


def test_uncertainty_names_the_losses_that_it_does_not_know() -> None:
    combine = uncertainty.build(["a_class", "a_box"], uncertainty.Params())
    with pytest.raises(ValueError, match=r"losses are \['a_box'\]; expected \['a_box', 'a_class'\]"):
        combine({"a_box": torch.tensor(1.0)})


def test_losses_below_zero_are_refused_where_they_have_no_minimum() -> None:
    for name in task_weights.names():
        for box_loss in box_losses.names():
            refusal = task_weights.refuses_box_loss(name, box_loss)
            assert (refusal is not None) == (box_loss == "kl" and name in ("guided", "uncertainty"))
            assert refusal is None or "set detector.task_weights to 'fixed'" in refusal


def test_a_mistyped_name_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match=r"detector.task_weights is 'guide'; .*did you mean 'guided'"):
        task_weights.find("guide")
