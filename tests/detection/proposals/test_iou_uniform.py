"""Boxes of a stated overlap with true boxes."""

import pytest
import torch
from torchvision.ops import box_iou

from counterpoise.detection.proposals import iou_uniform
from counterpoise.detection.proposals.iou_uniform import Params, moved

TRUTH = torch.tensor([[100.0, 100.0, 140.0, 120.0], [5.0, 6.0, 6.0, 8.0], [0.0, 0.0, 3000.0, 2000.0]])


@pytest.mark.parametrize(("iou", "shift"), [(0.5, 13.3333), (0.6, 10.0), (0.7, 7.0588), (0.8, 4.4444)])
def test_a_shift_to_the_right_by_hand(iou: float, shift: float) -> None:
    found = moved(TRUTH[:1], torch.tensor([[1.0, 0.0, 1.0, 0.0]]), torch.tensor([iou]))
    assert (found - TRUTH[:1])[0].tolist() == pytest.approx([shift, 0, shift, 0], abs=1e-4)


def test_growing_and_shrinking_by_hand() -> None:
    truth = torch.tensor([[0.0, 0.0, 10.0, 10.0]]).repeat(2, 1)
    found = moved(truth, torch.tensor([[-1.0, 0, 0, 0], [1.0, 0, 0, 0]]), torch.tensor([0.5, 0.5]))
    assert found[:, 0].tolist() == pytest.approx([-10, 5], abs=1e-5)


def test_an_iou_of_one_is_the_true_box() -> None:
    torch.testing.assert_close(moved(TRUTH, torch.randn(3, 4), torch.ones(3)), TRUTH)


def test_overlaps_are_uniform_between_the_bounds() -> None:
    params = Params(count=3000, least_iou=0.5, most_iou=0.95)
    found = iou_uniform.extra(TRUTH, params, torch.Generator().manual_seed(0))
    assert found is not None
    ious = box_iou(found.boxes.double(), TRUTH.double())[torch.arange(3000), found.objects]
    assert ious.min() > 0.4999
    assert ious.max() < 0.9501
    parts = torch.histc(ious.float(), 9, 0.5, 0.95)
    assert ((parts - 3000 / 9).abs() < 4 * (3000 / 9) ** 0.5).all(), parts
    counts = torch.bincount(found.objects, minlength=3)
    assert ((counts - 1000).abs() < 110).all(), counts


def test_low_overlaps_are_reached_too() -> None:
    params = Params(count=500, least_iou=0.1, most_iou=0.1001)
    found = iou_uniform.extra(TRUTH, params, torch.Generator().manual_seed(1))
    assert found is not None
    ious = box_iou(found.boxes.double(), TRUTH.double())[torch.arange(500), found.objects]
    assert ((ious - 0.1).abs() < 1e-3).all()


def test_the_same_seed_gives_the_same_boxes() -> None:
    params = Params(count=20, least_iou=0.5, most_iou=0.95)
    first, second, third = (iou_uniform.extra(TRUTH, params, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.boxes.equal(second.boxes)
    assert not first.boxes.equal(third.boxes)


def test_an_image_without_objects_has_none() -> None:
    params = Params(count=20, least_iou=0.5, most_iou=0.95)
    assert iou_uniform.extra(torch.zeros(0, 4), params, torch.Generator()) is None


def test_bounds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match=r"least_iou is 0\.9, above most_iou, 0\.5"):
        iou_uniform.extra(TRUTH, Params(count=1, least_iou=0.9, most_iou=0.5), torch.Generator())
