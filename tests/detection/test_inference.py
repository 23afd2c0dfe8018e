"""Boxes of tiles from views of test-time augmentation."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from counterpoise.dataset.box_inputs import Batch
from counterpoise.detection import inference
from counterpoise.detection.teaching import Found
from counterpoise.networks import devices, tta

COMPUTE = devices.pick("cpu", "float32")


class Brightest(nn.Module):
    """Finds the bright pixels of a picture as one box."""

    def forward(self, images: Tensor) -> list[Found]:
        found = []
        for picture in images:
            y, x = (picture[0] > 0.5).nonzero(as_tuple=True)
            box = torch.stack([x.min(), y.min(), x.max() + 1, y.max() + 1])[None].float()
            found.append(Found(box, torch.tensor([0.9]), torch.tensor([1])))
        return found


class Tiles:
    """Two tiles of 8 x 12 pixels with one bright box, shown at twice their size."""

    def __len__(self) -> int:
        return 2

    def batches(self, order: Sequence[np.ndarray[Any, np.dtype[np.int64]]]) -> Iterator[Batch]:
        for numbers in order:
            images = torch.zeros(len(numbers), 3, 16, 24)
            images[:, :, 2:6, 4:14] = 1.0
            yield Batch(images, [], torch.full((len(numbers),), 2.0))


@pytest.mark.parametrize("views", sorted(inference.VIEWS))
def test_boxes_of_all_views_come_back_to_the_pixels_of_the_tile(views: str) -> None:
    found = inference.find([Brightest(), Brightest()], Tiles(), 2, views, COMPUTE)
    assert len(found.boxes) == 2 * 2 * len(tta.VIEWS[views])
    assert np.unique(found.boxes, axis=0).tolist() == [[2.0, 1.0, 7.0, 3.0]]
    assert sorted(set(found.tile.tolist())) == [0, 1]
    assert set(found.labels.tolist()) == {1}


def test_scenes_come_as_soon_as_their_last_tile_was_seen_with_all_their_boxes() -> None:
    """The scenes of five tiles are mixed; a batch has two tiles."""
    scene, seen = ["a", "b", "a", "c", "b"], 0

    def batches() -> Iterator[tuple[np.ndarray[Any, np.dtype[np.int64]], inference.TileBoxes]]:
        nonlocal seen
        for numbers in (np.array([0, 1]), np.array([2, 3]), np.array([4])):
            seen += len(numbers)
            tile = np.tile(numbers, 2)  # two views
            yield numbers, inference.TileBoxes(tile[:, None] + np.zeros((1, 4)), tile / 10, tile * 0, tile)

    found = [(seen, name, own.tile.tolist()) for name, own in inference.of_scenes(batches(), scene)]
    assert found == [(4, "a", [0, 0, 2, 2]), (4, "c", [3, 3]), (5, "b", [1, 1, 4, 4])]


def test_views_are_those_of_classification() -> None:
    picture = torch.arange(2 * 3 * 4 * 4, dtype=torch.float32).reshape(2, 3, 4, 4)
    assert sorted(inference.VIEWS) == sorted(tta.VIEWS)
    for name, views in inference.VIEWS.items():
        for own, other in zip(views, tta.VIEWS[name], strict=True):
            assert inference.turned(picture, own).equal(other(picture))
