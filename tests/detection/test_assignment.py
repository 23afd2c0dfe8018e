"""Which anchors are objects: by hand, and torchvision's FCOS for centres."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.detection.plans import truth
from tests.detection.two_stage_problems import NONE
from tests.detection.two_stage_problems import truth as shown_of
from torch import Tensor
from torchvision.models.detection._utils import Matcher, SSDMatcher
from torchvision.models.detection.fcos import FCOS
from torchvision.models.detection.rpn import RegionProposalNetwork

from counterpoise.detection import anchor_grid, assignment

MATCHER = Matcher(0.5, 0.4, allow_low_quality_matches=True)
ANCHORS = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 4.5], [0, 0, 10, 3], [30, 0, 40, 10], [50, 0, 60, 10]])


def test_objects_background_and_what_lies_between_by_hand() -> None:
    found = assignment.by_overlap(ANCHORS, truth([[0, 0, 10, 10], [30, 0, 34, 4]], [0, 4]), MATCHER)
    assert found.labels.tolist() == [1, -1, 0, 5, 0], "the fourth has an IoU of 0.16, but is the best of its box"
    assert found.objects[[0, 3]].tolist() == [0, 1]
    assert found.ious.tolist() == pytest.approx([1, 0.45, 0.3, 0.16, 0])


@pytest.mark.parametrize("matcher", [MATCHER, SSDMatcher(0.5)])
def test_an_object_that_touches_no_anchor_makes_no_anchor_an_object(matcher: Any) -> None:
    found = assignment.by_overlap(ANCHORS, truth([[20, 20, 21, 21]], [0]), matcher)
    assert found.labels.tolist() == [0] * 5
    found = assignment.by_overlap(ANCHORS, truth([[20, 20, 21, 21], [0, 0, 10, 10]], [0, 2]), matcher)
    assert found.labels.tolist() == [3, 0 if matcher.low_threshold == 0.5 else -1, 0, 0, 0]
    assert found.objects[0] == 1


def test_a_picture_without_objects_is_background() -> None:
    found = assignment.by_overlap(ANCHORS, truth([], []), MATCHER)
    assert (found.labels == 0).all()
    assert (found.ious == 0).all()


def test_ignored_places_take_background_but_no_object() -> None:
    of = truth([[0, 0, 10, 10]], [0], [[0, 0, 35, 10], [54.9, 0, 56, 10]])
    assert assignment.by_overlap(ANCHORS, of, MATCHER).labels.tolist() == [1, -1, -1, -1, 0]


@pytest.mark.parametrize(
    ("boxes", "labels", "message"),
    [
        (
            [[0.0, 0, 4, 4], [3, 3, 3, 9]],
            [0, 0],
            r"picture 1, box 1 is \[3.0, 3.0, 3.0, 9.0\]; expected a positive area",
        ),
        ([[0.0, float("nan"), 4, 4]], [0], "picture 1, box 0 is .*nan.*; expected a positive area"),
        ([[0.0, 0, 4, float("inf")]], [0], "picture 1, box 0"),
        ([[0.0, 0, 4, 4]], [3], "picture 1, box 0 has label 3; expected 0 to 2"),
        ([[0.0, 0, 4, 4]], [-1], "picture 1, box 0 has label -1"),
    ],
)
def test_boxes_and_labels_that_would_crash_are_refused(
    boxes: list[list[float]], labels: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        assignment.check([truth([[0.0, 0, 4, 4]], [2]), truth(boxes, labels)], 3)


def cells(strides: list[int], size: tuple[int, int]) -> list[Tensor]:
    maps = [torch.zeros(1, 1, size[0] // stride, size[1] // stride) for stride in strides]
    return anchor_grid.on_maps([[(stride, stride)] for stride in strides], strides, maps)


def test_cells_near_centres_are_those_of_torchvision() -> None:
    generator = torch.Generator().manual_seed(5)
    first = torch.rand(40, 2, generator=generator) * 200
    boxes = torch.cat([first, first + 2 + torch.rand(40, 2, generator=generator) ** 2 * 250], dim=1)
    of = truth(boxes.tolist(), list(range(40)))
    levels = cells([8, 16, 32], (256, 320))
    head = SimpleNamespace(compute_loss=lambda targets, outputs, anchors, matches: matches)
    matches = FCOS.compute_loss(
        SimpleNamespace(center_sampling_radius=1.5, head=head),
        [{"boxes": of.boxes, "labels": of.labels}],
        {},
        [torch.cat(levels)],
        [len(level) for level in levels],
    )
    found = assignment.by_centre(levels, [8, 16, 32], of)
    assert torch.equal(torch.where(matches[0] < 0, 0, matches[0] + 1), found.labels)
    assert (found.labels > 0).sum() > 50


def test_levels_left_out_leave_no_gap_between_sizes() -> None:
    levels = cells([8, 32], (256, 256))
    for side in (20.0, 70.0, 100.0, 126.0, 130.0, 200.0):
        found = assignment.by_centre(levels, [8, 32], truth([[20, 20, 20 + side, 20 + side]], [0]))
        assert (found.labels > 0).any(), side


def test_centres_in_ignored_places_and_pictures_without_objects() -> None:
    levels = cells([8, 16], (32, 32))
    found = assignment.by_centre(levels, [8, 16], truth([], [], [[0, 0, 32, 32]]))
    assert (found.labels == -1).all()
    assert (assignment.by_centre(levels, [8, 16], truth([], [])).labels == 0).all()


def test_labels_objects_and_ious_by_hand() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 4], [50, 50, 60, 60], [20, 20, 30, 28]])
    shown = shown_of([[0, 0, 10, 10], [20, 20, 30, 30]], [0, 2])
    found = assignment.assign(boxes, shown, positive_iou=0.7, background_iou=0.45)
    assert found.labels.tolist() == [1, -1, 0, 0, 3]
    assert found.objects.tolist() == [0, 0, 0, 0, 1]
    assert found.ious.tolist() == pytest.approx([1, 0.5, 0.4, 0, 0.8])
    assert assignment.assign(boxes, shown, positive_iou=0.5, background_iou=0.5).labels.tolist() == [1, 1, 0, 0, 3]


def test_the_box_that_overlaps_an_object_most_is_its_own_but_only_if_it_overlaps() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 2], [0, 0, 10, 1], [50, 50, 60, 60]])
    shown = shown_of([[0, 0, 10, 10], [80, 80, 81, 81]], [0, 1])
    found = assignment.assign(boxes, shown, positive_iou=0.7, background_iou=0.3, low_quality=True)
    assert found.labels.tolist() == [1, 0, 0]


def test_what_lies_in_an_ignored_place_is_no_background_but_objects_stay_objects() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10], [24, 0, 36, 10], [27, 0, 37, 10]])
    place = torch.tensor([[0.0, 0.0, 30.0, 10.0]])
    found = assignment.assign(boxes, shown_of([[0, 0, 10, 10]], [1], place), positive_iou=0.5, background_iou=0.5)
    assert found.labels.tolist() == [2, -1, -1, 0]
    assert assignment.assign(boxes, shown_of([], [], place), positive_iou=0.5, background_iou=0.5).labels.tolist() == [
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
    shown = shown_of((boxes[:6] + 1.5).tolist(), [0, 1, 2, 0, 1, 2])
    network = RegionProposalNetwork(None, None, 0.7, 0.3, 256, 0.5, {}, {}, 0.7)
    labels, matched = network.assign_targets_to_anchors([boxes], [{"boxes": shown.boxes}])
    found = assignment.assign(boxes, shown, positive_iou=0.7, background_iou=0.3, low_quality=True)
    assert found.labels.clamp_max(1).tolist() == labels[0].tolist()
    assert {-1, 0, 1} == set(labels[0].tolist())
    positive = found.labels > 0
    assert shown.boxes[found.objects][positive].equal(matched[0][positive])
    assert (found.labels == shown.labels[found.objects] + 1)[positive].all()


def test_ignored_places_without_area_and_boxes_without_a_label_are_refused() -> None:
    with pytest.raises(ValueError, match="picture 0, ignored place 0"):
        assignment.check([shown_of([], [], torch.full((1, 4), float("nan")))], 3)
    with pytest.raises(ValueError, match="picture 0 has 2 labels of 1 boxes"):
        assignment.check([shown_of([[0, 0, 4, 4]], [0, 1])], 3)
