"""What a picture shows, by hand."""

import torch
from torch import Tensor

from counterpoise.detection import answers
from counterpoise.detection.teaching import Found


def as_they_are(numbers: Tensor, anchors: Tensor) -> Tensor:
    return anchors + numbers


def found(boxes: list[list[float]], scores: list[list[float]]) -> Found:
    anchors = torch.tensor(boxes)
    of = torch.tensor(scores)[None]
    return answers.found([of], [torch.zeros(1, len(boxes), 4)], [anchors], (40, 60), as_they_are)[0]


def test_suppression_within_classes_and_clipping_by_hand() -> None:
    of = found(
        [[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 5], [-5, 30, 20, 50], [70, 0, 90, 9]],
        [[0.9, 0.8], [0.7, 0.005], [0.6, 0.0], [0.0, 0.5], [0.99, 0.0]],
    )
    assert of.labels.tolist() == [0, 1, 0, 1], "the second overlaps the first by 0.9, the third by 0.5"
    torch.testing.assert_close(of.scores, torch.tensor([0.9, 0.8, 0.6, 0.5]))
    assert of.boxes[3].tolist() == [0, 30, 20, 40]
    assert of.boxes[2].tolist() == [0, 0, 10, 5]


def test_at_most_300_boxes_and_scores_below_one() -> None:
    x = torch.arange(400.0).remainder(20) * 3
    y = torch.arange(400.0).div(20, rounding_mode="floor") * 2
    of = found(torch.stack([x, y, x + 3, y + 2], dim=1).tolist(), [[1.0]] * 400)
    assert len(of.boxes) == 300
    assert (of.scores < 1).all()


def test_boxes_that_are_not_finite_or_without_area_are_left_out() -> None:
    nan = float("nan")
    of = found([[nan, 0, 1, 1], [5, 5, 5, 9], [1, 1, 2, 2]], [[0.9], [0.9], [0.5]])
    assert of.boxes.tolist() == [[1, 1, 2, 2]]


def test_nothing_found() -> None:
    of = found([[0, 0, 1, 1]], [[0.01]])
    assert (of.boxes.shape, of.scores.shape, of.labels.dtype) == ((0, 4), (0,), torch.int64)
