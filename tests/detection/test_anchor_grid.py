"""Anchors on maps, by hand."""

import pytest
import torch

from counterpoise.detection import anchor_grid


def test_anchors_lie_on_the_centres_of_cells_row_by_row() -> None:
    found = anchor_grid.on_maps(
        [[(4, 2), (8, 8)], [(16, 16)]], [8, 16], [torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 1, 1)]
    )
    assert found[0][:2].tolist() == [[2, 3, 6, 5], [0, 0, 8, 8]]
    assert found[0][2].tolist() == [10, 3, 14, 5]
    assert found[0][4].tolist() == [2, 11, 6, 13]
    assert found[1].tolist() == [[0, 0, 16, 16]]


def test_strides_are_those_of_the_network_where_the_picture_is_no_multiple_of_them() -> None:
    found = anchor_grid.on_maps([[(8, 8)]], [8], [torch.zeros(1, 1, 13, 13)])  # 100 px in 13 cells
    assert found[0][-1].tolist() == [96, 96, 104, 104]


def test_levels_of_different_number_are_refused() -> None:
    with pytest.raises(ValueError, match="anchors of 2 levels for 1 maps"):
        anchor_grid.on_maps([[(4, 4)], [(8, 8)]], [8], [torch.zeros(1, 1, 2, 2)])
