"""Images, tiles, splits and views that make no sense together."""

import pytest

from counterpoise.imbalance import resampling

REPEATING = resampling.REPEATING[0]
CASES = [
    (
        {"oversample__views": 2, "oversample__strategy": "none"},
        "oversample.views is 2, but oversample.strategy 'none' repeats no tile",
        {"oversample__views": 2, "oversample__strategy": REPEATING, "oversample__policy": "standard"},
    ),
    (
        {"oversample__views": 2, "oversample__strategy": REPEATING, "oversample__policy": "none"},
        "with oversample.policy 'none' every view is the unchanged tile",
        {"oversample__views": 0, "oversample__strategy": REPEATING, "oversample__policy": "none"},
    ),
    (
        {"split__val_frac": 0.5, "split__test_frac": 0.5},
        "split.val_frac + split.test_frac leave no images for train; lower them until their sum is below 1",
        {"split__val_frac": 0.5, "split__test_frac": 0.4},
    ),
    (
        {"tile__size_px": 64, "tile__overlap_px": 64},
        "tile.overlap_px is 64; expected a number below tile.size_px, 64; lower it",
        {"tile__size_px": 64, "tile__overlap_px": 63},
    ),
    ({"ingest__root": "/data"}, "inside the repository", {"ingest__root": "data/raw/roofs"}),
    ({"ingest__root": "data/../../x"}, "inside the repository", {"ingest__root": "data"}),
    (
        {"ingest__root": "data/raw/demo", "demo__name": "none"},
        "demo.name is 'none', so ingest.root 'data/raw/demo' is empty",
        {"ingest__root": "data/raw/roofs", "demo__name": "none"},
    ),
]


@pytest.mark.parametrize(("refused", "part", "allowed"), CASES)
def test_each_senseless_combination_is_refused_and_its_neighbour_is_not(refused, part, allowed, problems):
    (text,) = problems(**refused)
    assert text.startswith("params.yaml: ")
    assert part in text
    assert problems(**allowed) == []
