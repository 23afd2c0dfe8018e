"""Targets of the locations of guided anchors."""

import pytest
import torch
from torch import Tensor

from counterpoise.detection import guided_locations
from counterpoise.detection.guided_locations import Targets

SHAPES, STRIDES = [(16, 16), (8, 8), (4, 4)], [8, 16, 32]
NONE = torch.zeros(0, 4)


def of(truth: Tensor, ignored: Tensor = NONE) -> list[Targets]:
    return guided_locations.targets(truth, ignored, SHAPES, STRIDES, scale=4.0, centre_frac=0.2, ignore_frac=0.5)


def test_a_box_belongs_to_the_level_of_its_size() -> None:
    sides = torch.tensor([1.0, 32.0, 45.0, 46.0, 64.0, 128.0, 1000.0])
    boxes = torch.stack([0 * sides, 0 * sides, sides, sides], dim=1)
    assert guided_locations.levels(boxes, finest_px=32, count=3).tolist() == [0, 0, 0, 1, 1, 2, 2]


def test_the_middle_is_an_object_and_the_ring_around_is_ignored_by_hand() -> None:
    fine, middle, coarse = of(torch.tensor([[32.0, 32.0, 96.0, 96.0]]))  # side 64: level 1
    wanted = torch.zeros(8, 8, dtype=torch.int64)
    wanted[2:6, 2:6] = -1  # centres at 40, 56, 72, 88 within 16 of 64: 56 and 72 alone
    wanted[2], wanted[5], wanted[:, 2], wanted[:, 5] = 0, 0, 0, 0
    wanted[3:5, 3:5] = 1  # within max(6.4, 8) of 64
    assert middle.location.tolist() == wanted.tolist()
    assert (middle.objects == torch.where(wanted == 1, 0, -1)).all()
    assert fine.location.min() == -1
    assert fine.location.max() == 0
    assert (fine.location == -1).sum() == 16
    assert (coarse.location == -1).sum() == 4
    assert (coarse.objects == -1).all()


def test_a_tiny_box_has_the_cell_of_its_centre() -> None:
    fine, *others = of(torch.tensor([[50.0, 20.0, 51.0, 21.0]]))
    assert (fine.location == 1).nonzero().tolist() == [[2, 6]]
    assert all((level.location == 0).all() for level in others)


def test_of_objects_upon_each_other_the_smaller_one_has_the_cell() -> None:
    fine = of(torch.tensor([[40.0, 40.0, 80.0, 80.0], [50.0, 50.0, 70.0, 70.0]]))[0]
    assert set(fine.objects[fine.location == 1].tolist()) == {1}


def test_ignored_places_are_no_background_but_objects_in_them_are_objects() -> None:
    fine = of(torch.tensor([[60.0, 60.0, 70.0, 70.0]]), torch.tensor([[0.0, 0.0, 128.0, 128.0]]))[0]
    assert (fine.location == 0).sum() == 0
    assert (fine.location == 1).sum() > 0


@pytest.mark.parametrize("ignored", [NONE, torch.tensor([[0.0, 0.0, 8.0, 8.0]])])
def test_an_image_without_objects_is_background(ignored: Tensor) -> None:
    levels = of(NONE, ignored)
    assert all((level.objects == -1).all() for level in levels)
    assert (levels[0].location == -1).sum() == len(ignored)
    assert (levels[0].location == 0).sum() == 256 - len(ignored)
