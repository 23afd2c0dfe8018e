"""Which object a box belongs to: by hand, torchvision as oracle, and what is refused."""

import math

import pytest
import torch
from tests.detection.two_stage_problems import NONE, truth
from torchvision.models.detection.rpn import RegionProposalNetwork

from counterpoise.detection import assignment


def test_labels_objects_and_ious_by_hand() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 4], [50, 50, 60, 60], [20, 20, 30, 28]])
    shown = truth([[0, 0, 10, 10], [20, 20, 30, 30]], [0, 2])
    found = assignment.assign(boxes, shown, positive_iou=0.7, background_iou=0.45)
    assert found.labels.tolist() == [1, -1, 0, 0, 3]
    assert found.objects.tolist() == [0, 0, 0, 0, 1]
    assert found.ious.tolist() == pytest.approx([1, 0.5, 0.4, 0, 0.8])
    assert assignment.assign(boxes, shown, positive_iou=0.5, background_iou=0.5).labels.tolist() == [1, 1, 0, 0, 3]


def test_the_box_that_overlaps_an_object_most_is_its_own_but_only_if_it_overlaps() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 2], [0, 0, 10, 1], [50, 50, 60, 60]])
    shown = truth([[0, 0, 10, 10], [80, 80, 81, 81]], [0, 1])
    found = assignment.assign(boxes, shown, positive_iou=0.7, background_iou=0.3, low_quality=True)
    assert found.labels.tolist() == [1, 0, 0]


def test_what_lies_in_an_ignored_place_is_no_background_but_objects_stay_objects() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10], [24, 0, 36, 10], [27, 0, 37, 10]])
    place = torch.tensor([[0.0, 0.0, 30.0, 10.0]])
    found = assignment.assign(boxes, truth([[0, 0, 10, 10]], [1], place), positive_iou=0.5, background_iou=0.5)
    assert found.labels.tolist() == [2, -1, -1, 0]
    assert assignment.assign(boxes, truth([], [], place), positive_iou=0.5, background_iou=0.5).labels.tolist() == [
        *(-1, -1, -1, 0)
    ]


def test_the_shares_in_ignored_places_are_those_of_the_box_itself() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [10, 10, 12, 12]])
    places = torch.tensor([[0.0, 0, 2, 4], [0, 0, 3, 4]])
    assert assignment.covered_fracs(boxes, places).tolist() == [0.75, 0]
    assert assignment.covered_fracs(boxes, NONE).tolist() == [0, 0]


def test_first_stages_assign_as_torchvision_does() -> None:
    generator = torch.Generator().manual_seed(0)
    corners, sides = torch.rand(300, 2, generator=generator) * 60, torch.rand(300, 2, generator=generator) * 20 + 4
    boxes = torch.cat([corners, corners + sides], dim=1)
    shown = truth((boxes[:6] + 1.5).tolist(), [0, 1, 2, 0, 1, 2])
    network = RegionProposalNetwork(None, None, 0.7, 0.3, 256, 0.5, {}, {}, 0.7)
    labels, matched = network.assign_targets_to_anchors([boxes], [{"boxes": shown.boxes}])
    found = assignment.assign(boxes, shown, positive_iou=0.7, background_iou=0.3, low_quality=True)
    assert found.labels.clamp_max(1).tolist() == labels[0].tolist()
    assert {-1, 0, 1} == set(labels[0].tolist())
    positive = found.labels > 0
    assert shown.boxes[found.objects][positive].equal(matched[0][positive])
    assert (found.labels == shown.labels[found.objects] + 1)[positive].all()


def test_boxes_and_labels_that_torchvision_would_take_are_refused_with_their_row() -> None:
    good = truth([[0, 0, 4, 4]], [0])
    wrong: list[tuple[list[list[float]], str]] = [
        ([[0, 0, 4, 4], [0, 0, math.nan, 4]], r"image 1 of the batch, boxes row 1: \[0.0, 0.0, nan, 4.0\]"),
        ([[0, 4, 4, 4]], r"boxes row 0: .*expected finite x0 < x1 and y0 < y1"),
        ([[0, 0, math.inf, 4]], r"boxes row 0"),
    ]
    for boxes, message in wrong:
        with pytest.raises(ValueError, match=message):
            assignment.check([good, truth(boxes, [0] * len(boxes))], 3)
    with pytest.raises(ValueError, match=r"image 0 of the batch, ignored row 0"):
        assignment.check([truth([], [], torch.full((1, 4), math.nan))], 3)
    for label in (-1, 3):
        with pytest.raises(ValueError, match=rf"labels row 0: {label}; expected 0\.\.2"):
            assignment.check([truth([[0, 0, 4, 4]], [label])], 3)
    with pytest.raises(ValueError, match=r"2 labels of 1 boxes"):
        assignment.check([truth([[0, 0, 4, 4]], [0, 1])], 3)
    assignment.check([good, truth([], [])], 3)
