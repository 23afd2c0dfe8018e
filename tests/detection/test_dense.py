"""Dense detectors: traps, switches, equal seeds, and what they learn of two pictures."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tests.detection import plans
from tests.detection.plans import truth
from torch import Tensor, nn
from torchvision.ops import box_iou

from counterpoise.detection import backbone, box_losses, samplers
from counterpoise.detection.detectors import Plan, find
from counterpoise.detection.teaching import Truth

NAMES = ("retinanet", "ssd", "fcos")
SEEN = [truth([[10.0, 10, 30, 28], [40, 8, 80, 60], [41, 10, 84, 60]], [0, 2, 1]), truth([[4.0, 30, 30, 62]], [0])]
CROWD = [
    [x, y, x + 7.0, y + 3.0] for x in torch.linspace(0, 88, 25).tolist() for y in torch.linspace(0, 60, 20).tolist()
]
TRAPS: dict[str, list[Truth]] = {
    "no object": [truth([], []), truth([], [])],
    "one picture without objects": [SEEN[0], truth([], [])],
    "500 objects": [truth(CROWD, [number % 3 for number in range(500)]), SEEN[1]],
    "classes without boxes": [SEEN[1], SEEN[1]],
    "a pixel": [truth([[20.0, 20, 21, 21], [35.2, 35.2, 36.2, 36.2]], [0, 1]), truth([[95.0, 63, 96, 64]], [2])],
    "all ignored": [truth([], [], [[-200.0, -200, 400, 400]])] * 2,
}


def gradients(detector: nn.Module, losses: dict[str, Tensor]) -> dict[str, Tensor]:
    detector.zero_grad()
    torch.autograd.backward(torch.stack(list(losses.values())).sum())
    return {name: of.grad.clone() for name, of in detector.named_parameters() if of.grad is not None}


def switches(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every switch of a detector, except those that it refuses."""
    anchored = find(name).HAS_ANCHORS
    for other in box_losses.names():
        if other != "giou" and (anchored or box_losses.find(other).ON == "boxes"):
            yield other, {}
    for sampler in samplers.names():
        if sampler != "every" and (anchored or sampler != "iou_balanced"):
            yield "giou", {"sampler": sampler, "samples": 24}
    for rule in ("carl", "isr", "pisa"):
        yield "giou", {"prime": rule}
    yield from (("giou", {"neck": neck}) for neck in ("fpn", "pafpn"))
    yield "giou", {"box_weight": 2.0}
    if anchored:
        yield "giou", {"after_regression": True}


@pytest.mark.parametrize("name", NAMES)
def test_traps_have_finite_losses_and_gradients_and_background_always_teaches(name: str) -> None:
    for sampler in ("every", "hard_negative"):
        detector = plans.build(plans.plan(name, sampler=sampler))
        for trap, of in TRAPS.items():
            losses = detector(plans.pictures(), of, plans.lesson(name))
            assert tuple(losses) == detector.KEYS
            assert all(value.isfinite() for value in losses.values()), trap
            assert all(value.isfinite().all() for value in gradients(detector, losses).values()), trap
            assert (losses["head_class"] > 0) == (trap != "all ignored"), trap


@pytest.mark.parametrize("name", NAMES)
def test_levels_of_odd_sizes_have_losses_and_boxes(name: str) -> None:
    for neck in ("none", "fpn", "pafpn"):
        detector, images = plans.build(plans.plan(name, neck=neck, extra_levels=2)), plans.pictures(2, (56, 88))
        assert [tuple(level.shape[-2:]) for level in detector.pyramid(images)] == [(7, 11), (4, 6), (2, 3), (1, 2)]
        losses = detector(images, [truth([[8.0, 8, 40, 50]], [1])] * 2, plans.lesson(name))
        assert all(value.isfinite() for value in losses.values())
        with torch.no_grad():
            for found in detector(images):
                assert (found.boxes >= 0).all()
                assert (found.boxes <= torch.tensor([88.0, 56, 88, 56])).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_switch_changes_the_gradient_and_leaves_it_finite(name: str) -> None:
    """Compared are heads, which have the same shapes whatever the neck; `kl` has more outputs."""

    def of(box_loss: str, changes: dict[str, Any]) -> dict[str, Tensor]:
        detector = plans.build(plans.plan(name, box_loss, **changes))
        losses = detector(plans.pictures(), SEEN, plans.lesson(name))
        return {key: value for key, value in gradients(detector, losses).items() if "_head" in key}

    plain = of("giou", {})
    for box_loss, changes in switches(name):
        found = of(box_loss, changes)
        assert found.keys() == plain.keys()
        assert all(value.isfinite().all() for value in found.values())
        changed = any(a.shape != plain[key].shape or not torch.allclose(a, plain[key]) for key, a in found.items())
        assert changed, (box_loss, changes)


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_a_loss_count_once_whatever_chooses_and_ranks_by_it(name: str) -> None:
    plain = plans.lesson(name)
    for sampler in ("every", "random", "hard_negative", "ohem"):
        for prime in ("none", "pisa"):
            detector = plans.build(plans.plan(name, sampler=sampler, samples=24, prime=prime))
            first, second = (
                detector(plans.pictures(), SEEN, plans.lesson(name, class_loss=of))
                for of in (plain.class_loss, lambda logits, targets: 3 * plain.class_loss(logits, targets))
            )
            torch.testing.assert_close(second["head_class"], 3 * first["head_class"], msg=f"{sampler}, {prime}")
            torch.testing.assert_close(second["head_box"], first["head_box"], msg=f"{sampler}, {prime}")


@pytest.mark.parametrize("name", NAMES)
def test_equal_seeds_give_equal_weights_and_losses_and_no_global_state_is_used(name: str) -> None:
    of = plans.plan(name, sampler="random", samples=24)
    detectors = [plans.build(of), copy.deepcopy(plans.build(of)), plans.build(of, 1)]
    before = torch.random.get_rng_state()
    first, again, other = (detector(plans.pictures(), SEEN, plans.lesson(name)) for detector in detectors)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", ["retinanet", "ssd"])
def test_without_regression_the_class_after_it_is_that_of_the_plain_head(name: str) -> None:
    plain, after = (plans.build(plans.plan(name, after_regression=on)) for on in (False, True))
    for detector in (plain, after):
        for last in detector.box_head.lasts:
            nn.init.zeros_(last.weight)
    after = after.to(memory_format=torch.channels_last)
    losses = [detector(plans.pictures(), SEEN, plans.lesson(name)) for detector in (plain, after)]
    torch.testing.assert_close(losses[0], losses[1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        *(gradients(detector, own) for detector, own in zip((plain, after), losses, strict=True))
    )


def test_labels_are_those_of_predicted_boxes_after_a_fifth_of_the_training() -> None:
    detector = plans.build(plans.plan("retinanet", after_regression=True))
    nn.init.constant_(detector.box_head.lasts[0].bias, 0.3)  # every box leaves its anchor
    early, late = (detector(plans.pictures(), SEEN, plans.lesson("retinanet", at)) for at in (0.19, 0.2))
    assert early["head_box"] == late["head_box"]
    assert early["head_class"] != late["head_class"]


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_has_finite_losses_gradients_and_boxes(name: str) -> None:
    for after in (False, find(name).HAS_ANCHORS):
        detector = plans.build(plans.plan(name, after_regression=after))
        last = detector.box_head.bbox_reg if name == "fcos" else detector.box_head.lasts[0]
        nn.init.normal_(last.weight, std=100.0)
        with torch.autocast("cpu", torch.bfloat16):
            losses = detector(plans.pictures(), SEEN, plans.lesson(name))
            with torch.no_grad():
                found = detector(plans.pictures())
        assert all(value.isfinite() and value.dtype == torch.float32 for value in losses.values())
        assert all(value.isfinite().all() for value in gradients(detector, losses).values())
        assert all(of.boxes.isfinite().all() and of.boxes.dtype == torch.float32 for of in found)


@pytest.mark.parametrize("name", NAMES)
def test_labels_that_are_no_class_and_boxes_without_area_are_refused(name: str) -> None:
    detector = plans.build(plans.plan(name))
    for wrong in (truth([[1.0, 1, 9, 9]], [3]), truth([[float("nan"), 1, 9, 9]], [0])):
        with pytest.raises(ValueError, match="picture 1, box 0"):
            detector(plans.pictures(), [SEEN[0], wrong], plans.lesson(name))


@pytest.mark.parametrize("name", NAMES)
def test_what_needs_a_second_stage_is_refused(name: str) -> None:
    conflicts = find(name).conflicts
    guided = plans.section(name).anchors.model_copy(update={"kind": "guided"})
    for changes in ({"adversary": "dropout"}, {"proposals": "iou_uniform"}, {"anchors": guided}):
        (found,) = conflicts(plans.section(name, **changes), "giou")
        assert f"detector.name is '{name}', which has no second stage" in found
        assert "set detector." in found
    assert list(conflicts(plans.section(name), "giou")) == []


def small(name: str) -> tuple[Plan, nn.Module]:
    strides = (4, 8, 16)
    of = plans.plan(name, levels=[1, 2, 3], extra_levels=0, neck="fpn", sampler="hard_negative")
    anchors = tuple(((4.0 * stride, 4.0 * stride),) for stride in strides) if of.anchors else ()
    of = Plan(of.backbone, 3, 64, of.detector, of.box_loss, of.box_params, anchors)
    maps = backbone.build("test_resnet", "none", 0, of.detector.levels, freeze_first=0, freeze_norms=False)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return of, find(name).build(maps, (32, 48, 192), strides, of)


@pytest.mark.parametrize("name", NAMES)
def test_two_pictures_are_learned(name: str) -> None:
    pictures = [truth([[6.0, 8, 24, 28], [34, 32, 62, 58]], [0, 2]), truth([[20.0, 8, 46, 32]], [1])]
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.3
    for image, of in zip(images, pictures, strict=True):
        for (x0, y0, x1, y1), label in zip(of.boxes.int().tolist(), of.labels.tolist(), strict=True):
            image[label, y0:y1, x0:x1] += 2
    _, detector = small(name)
    optimizer = torch.optim.AdamW(detector.parameters(), lr=3e-3)
    lesson = plans.lesson(name)
    for _ in range(40):
        loss = torch.stack(list(detector(images, pictures, lesson).values())).sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    with torch.no_grad():
        answers = detector.eval()(images)
    for found, of in zip(answers, pictures, strict=True):
        for box, label in zip(of.boxes, of.labels, strict=True):
            own = found.boxes[found.labels == label]
            assert box_iou(box[None], own[:1]).item() >= 0.5
