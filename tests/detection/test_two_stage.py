"""What holds for every detector of two stages: traps, switches, precision, randomness."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.detection.two_stage_problems import (
    CHANNELS,
    CLASSES,
    MANY,
    OPTIONS,
    PLAIN,
    SIDE,
    TWO,
    Maps,
    check_found,
    class_loss,
    gradients,
    guided,
    lesson,
    net,
    pictures,
    section,
    truth,
)
from torch import Tensor

from counterpoise.detection import box_losses
from counterpoise.detection.detectors import Plan, faster_rcnn
from counterpoise.detection.necks import pafpn

DETECTORS: dict[str, dict[str, Any]] = {
    "faster": {"name": "faster_rcnn"},
    "cascade": {"name": "cascade_rcnn", "box_loss": "giou"},
    "guided": {"name": "faster_rcnn", **guided()},
}
EVERYWHERE = torch.tensor([[0.0, 0.0, 64.0, 64.0]])
FAR = torch.tensor([[-1e4, -1e4, 1e4, 1e4]])


def many() -> list[list[float]]:
    corners = torch.rand(500, 2, generator=torch.Generator().manual_seed(1)) * 58
    return torch.cat([corners, corners + 5], dim=1).tolist()


TRAPS = {
    "no objects": [truth([], []), truth([], [])],
    "no objects in one picture": [TWO[0], truth([], [])],
    "500 objects": [truth(many(), [0] * 500), TWO[1]],
    "boxes of a pixel": [truth([[3, 4, 4, 5], [63, 63, 64, 64]], [0, 1]), TWO[1]],
    "boxes of a hundredth of a pixel": [truth([[3, 4, 3.01, 4.01]], [0]), TWO[1]],
    "an object as large as the picture": [truth([[0, 0, 64, 64]], [0]), TWO[1]],
    "the same box twice, of two classes": [truth([[8, 8, 24, 30], [8, 8, 24, 30]], [0, 1]), TWO[1]],
    "all ignored": [truth([], [], FAR), truth([], [], FAR)],
    "all but objects ignored": [truth([[8, 8, 24, 30]], [0], EVERYWHERE), TWO[1]],
}


@pytest.mark.parametrize("kind", sorted(DETECTORS))
def test_odd_pictures_have_finite_losses_and_gradients(kind: str) -> None:
    detector = net(**DETECTORS[kind])
    for trap, shown in TRAPS.items():
        found = gradients(detector, pictures(shown), shown)
        learned = any(gradient.any() for gradient in found.values())
        assert learned == (trap != "all ignored"), trap
    for name in ("box_loss: kl", "hard_negative", "ohem"):
        changes = {"box_loss": "kl"} if name.startswith("box") else {"sampler": name}
        for trap in ("no objects", "all ignored", "boxes of a hundredth of a pixel"):
            gradients(net(**(DETECTORS[kind] | changes)), pictures(TRAPS[trap]), TRAPS[trap])


def test_pictures_without_objects_teach_background() -> None:
    nothing = TRAPS["no objects"]
    for kind in DETECTORS.values():
        losses = net(**kind)(pictures(nothing), nothing, lesson())
        for name, value in losses.items():
            assert (value.item() > 0) == name.endswith("_class"), name


def test_levels_of_odd_sizes_and_pictures_that_are_no_square() -> None:
    for kind in DETECTORS.values():
        anchors = kind.get("anchors", PLAIN["anchors"]) | {"sizes_px": [8, 16, 32, 64]}
        detector = net(**(kind | {"extra_levels": 2, "anchors": anchors}))
        images = pictures(TWO, side=72)[:, :, :, :56]
        shown = [truth([[8, 8, 24, 30]], [0]), TWO[1]]
        gradients(detector, images, shown)
        with torch.no_grad():
            check_found(detector(images), side=72)


def test_half_precision_has_finite_losses_and_gradients_and_finds_boxes_in_single() -> None:
    for name, kind in DETECTORS.items():
        detector = net(**kind)
        for layer in (detector.first.head.bbox_pred, *(stage.boxes for stage in detector.stages)):
            torch.nn.init.constant_(layer.bias, 100.0)  # exp(100) overflows
        with torch.autocast("cpu", torch.bfloat16):
            gradients(detector, pictures(TWO), TWO)
            with torch.no_grad():
                found = detector(pictures(TWO))
        check_found(found)
        assert {of.boxes.dtype for of in found} == {torch.float32}, name


SWITCHES: dict[str, dict[str, Any]] = {
    **{f"box_loss: {name}": {"box_loss": name} for name in box_losses.names() if name != "smooth_l1"},
    **{f"sampler: {name}": {"sampler": name} for name in ("hard_negative", "ohem", "iou_balanced", "every")},
    **{f"prime: {name}": {"prime": name} for name in ("carl", "isr", "pisa")},
    **{f"adversary: {name}": {"adversary": name} for name in ("dropout", "rotation")},
    "proposals: iou_uniform": {"proposals": "iou_uniform"},
    "anchors.kind: guided": guided(),
    "neck: none": {"neck": "none"},
    "neck: pafpn": {"neck": "pafpn"},
    "box_weight": {"box_weight": 2.0},
    "samples": {"samples": 8},
    "positive_frac": {"positive_frac": 0.05},
    "name: cascade_rcnn": {"name": "cascade_rcnn"},
}


def test_every_switch_changes_the_gradient_of_one_batch() -> None:
    images, of = pictures(MANY), "maps.fine.0.weight"
    plain = gradients(net(), images, MANY)[of]
    assert plain.equal(gradients(net(), images, MANY)[of])
    for name, changes in SWITCHES.items():
        assert not gradients(net(**changes), images, MANY)[of].equal(plain), name


def test_weights_of_a_loss_count_once_whatever_chooses_attacks_and_ranks_by_it() -> None:
    def tripled(logits: Tensor, targets: Tensor) -> Tensor:
        return 3 * class_loss(logits, targets)

    for changes in ({}, {"sampler": "hard_negative"}, {"sampler": "ohem", "prime": "pisa"}, {"adversary": "dropout"}):
        detector, images = net(**changes), pictures(MANY)
        first, second = (detector(images, MANY, replace(lesson(), class_loss=of)) for of in (class_loss, tripled))
        for name, value in second.items():
            factor = 3 if name == "roi_class" else 1
            torch.testing.assert_close(value, factor * first[name], msg=f"{name}, {changes}")


def test_random_choices_come_from_the_generator_alone() -> None:
    shown = [truth(many()[:60], [0] * 60), TWO[1]]
    for changes in ({}, {"sampler": "iou_balanced", "proposals": "iou_uniform", "adversary": "rotation"}):
        detector, images = net(**changes), pictures(shown)
        state = torch.get_rng_state()
        first, second, third = (gradients(detector, images, shown, seed)["stages.0.boxes.weight"] for seed in (0, 0, 1))
        assert torch.get_rng_state().equal(state)
        assert first.equal(second)
        assert not first.equal(third)


def test_a_copy_of_a_detector_learns_the_same() -> None:
    detector = net(**DETECTORS["cascade"])
    images, copied = pictures(TWO), copy.deepcopy(detector)
    first, second = gradients(detector, images, TWO), gradients(copied, images, TWO)
    assert all(first[name].equal(second[name]) for name in first)


def test_a_box_that_is_not_finite_is_refused_before_it_ends_the_process() -> None:
    wrong = [TWO[0], truth([[1, 1, 2, float("nan")]], [0])]
    with pytest.raises(ValueError, match="picture 1, box 0"):
        net()(pictures(TWO), wrong, lesson())
    with pytest.raises(ValueError, match=rf"box 0 has label {CLASSES}"):
        net()(pictures(TWO), [TWO[0], truth([[1, 1, 2, 3]], [CLASSES])], lesson())


def test_a_network_that_has_diverged_finds_nothing() -> None:
    for kind in DETECTORS.values():
        for part in ("first", "stages"):
            detector = net(**kind)
            for parameter in getattr(detector, part).parameters():
                torch.nn.init.constant_(parameter, float("nan"))
            with torch.no_grad():
                assert [len(of.boxes) for of in detector(pictures(TWO))] == [0, 0]


def test_maps_whose_strides_do_not_double_and_missing_parameters_are_refused() -> None:
    plan = Plan("tiny", CLASSES, 64, section(), "l1", {}, (((8.0, 8.0),),) * 3)
    with pytest.raises(ValueError, match=r"bias"):
        net(prime="carl", options={**OPTIONS, "prime": {}})
    with pytest.raises(ValueError, match=r"strides of \[4, 16\] pixels; expected each to be twice"):
        faster_rcnn.build(Maps(), CHANNELS, (4, 16), plan)


def test_path_aggregation_pools_regions_from_all_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[float]] = []

    def pool(maps: Any, boxes: Any, *, strides: list[float], side: int) -> Tensor:
        seen.append(strides)
        return plain(maps, boxes, strides=strides, side=side)

    plain = pafpn.pool
    monkeypatch.setattr(pafpn, "pool", pool)
    found = net(neck="pafpn").eval()(torch.rand(2, 3, SIDE, SIDE))
    assert len(found) == 2
    assert seen == [[4.0, 8.0]]
