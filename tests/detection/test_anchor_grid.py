"""Anchors on maps: torchvision where its strides are right, and by hand where they are not."""

import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from counterpoise.detection import anchor_grid


def test_even_maps_have_the_anchors_of_torchvision() -> None:
    generator = AnchorGenerator(((8,), (16,)), ((1.0, 4.0),) * 2)
    maps = [torch.zeros(1, 1, 8, 6), torch.zeros(1, 1, 4, 3)]
    wanted = generator(ImageList(torch.zeros(1, 3, 64, 48), [(64, 48)]), maps)[0]
    sides = [[(float(box[2] - box[0]), float(box[3] - box[1])) for box in cell] for cell in generator.cell_anchors]
    found = anchor_grid.place(sides, [(8, 6), (4, 3)], [8, 16])
    assert torch.cat(found).equal(wanted)


def test_on_odd_maps_the_last_anchor_lies_at_the_last_cell() -> None:
    (found,) = anchor_grid.place([[(4.0, 4.0), (8.0, 2.0)]], [(1, 13)], [8])
    assert found[-2:].tolist() == [[94, -2, 98, 2], [92, -1, 100, 1]]
