"""The views of a picture are a group."""

import itertools

import pytest
import torch

from counterpoise.networks.tta import VIEWS


@pytest.mark.parametrize(("name", "count"), [("none", 1), ("flips", 4), ("dihedral", 8)])
def test_views_form_a_group_that_begins_with_the_picture_as_it_is(name: str, count: int) -> None:
    views, picture = VIEWS[name], torch.arange(2 * 3 * 5 * 5).reshape(2, 3, 5, 5)
    seen = [view(picture) for view in views]
    assert seen[0] is picture
    assert len({tuple(own.flatten().tolist()) for own in seen}) == len(seen) == count
    for one, other in itertools.product(views, repeat=2):
        assert any(torch.equal(one(other(picture)), own) for own in seen)
