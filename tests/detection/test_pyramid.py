"""Maps, neck and coarser maps after it."""

from typing import Any

import torch
from tests.detection import plans

from counterpoise.detection import pyramid


def test_coarser_maps_follow_from_the_coarsest_by_steps_of_two() -> None:
    built: Any = pyramid.build(plans.Maps(), [8, 8], plans.section("retinanet", extra_levels=2, neck="none"))
    found = built(plans.pictures(2, (64, 96)))
    assert [tuple(level.shape) for level in found] == [(2, 32, 8, 12), (2, 32, 4, 6), (2, 32, 2, 3), (2, 32, 1, 2)]
    torch.testing.assert_close(found[2], built.extra[0](found[1]))
    torch.testing.assert_close(found[3], built.extra[1](found[2].relu()))


def test_without_coarser_maps_it_is_the_neck() -> None:
    section = plans.section("retinanet", extra_levels=0, neck="fpn")
    built: Any = pyramid.build(plans.Maps(), [8, 8], section)
    images = plans.pictures()
    for found, wanted in zip(built(images), built.neck(built.maps(images)).values(), strict=True):
        torch.testing.assert_close(found, wanted)
