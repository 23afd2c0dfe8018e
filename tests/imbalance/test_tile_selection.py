"""Which tiles are left out: exactly as many empty ones as asked, evenly over scenes, and never one with an object."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.imbalance.tile_selection import majority_only, surplus_of_empty


@given(
    rows=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=60),
    ratio=st.floats(0, 5),
    seed=st.integers(0, 2**32),
)
def test_as_many_empty_tiles_remain_as_asked_and_scenes_keep_equal_shares(rows, ratio, seed):
    members, scenes = np.array([[shows] for shows, _ in rows]), np.array([scene for _, scene in rows])
    surplus = surplus_of_empty(members, scenes, ratio, np.random.default_rng(seed))
    empty = ~members.any(axis=1)
    wanted = min(round(ratio * (~empty).sum()), empty.sum())
    assert not surplus[~empty].any()
    assert (empty & ~surplus).sum() == wanted
    for scene in np.unique(scenes):
        own = empty & (scenes == scene)
        if own.any():
            assert abs((own & ~surplus).sum() - own.sum() * wanted / empty.sum()) < 1 + 1e-9


def test_only_tiles_with_nothing_but_the_majority_are_found():
    members = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, 1], [0, 0, 1], [0, 0, 0]], dtype=bool)
    assert majority_only(members, np.array([True, True, False])).tolist() == [True, True, True, False, False, False]
    assert not majority_only(members, np.zeros(3, dtype=bool)).any()
