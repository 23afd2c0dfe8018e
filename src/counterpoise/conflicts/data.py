"""Conflicts between settings of images, tiles, splits and views."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from counterpoise.config import PATH
from counterpoise.imbalance import resampling


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse a place outside the repository, splits and tiles of nothing, and views that are never used."""
    yield from _views(content["oversample"])
    split, tile = content["split"], content["tile"]
    if split["val_frac"] + split["test_frac"] >= 1:
        yield (
            f"{PATH}: split.val_frac + split.test_frac leave no images for train; lower them until their sum is below 1"
        )
    if tile["overlap_px"] >= tile["size_px"]:
        yield (
            f"{PATH}: tile.overlap_px is {tile['overlap_px']}; expected a number below tile.size_px, "
            f"{tile['size_px']}; lower it"
        )
    root = content["ingest"]["root"]
    if Path(root).is_absolute() or ".." in Path(root).parts:
        yield (
            f"{PATH}: ingest.root is {root!r}; expected a folder, or a link, inside the repository; copy the images "
            "there, or make a link"
        )
    if root == "data/raw/demo" and content["demo"]["name"] == "none":
        yield f"{PATH}: demo.name is 'none', so ingest.root {root!r} is empty; set it to the folder of your images"


def _views(oversample: Mapping[str, Any]) -> Iterator[str]:
    """Refuse views of tiles that are drawn once, and views that are all the tile itself."""
    views, strategy = oversample["views"], oversample["strategy"]
    if views and strategy not in resampling.REPEATING:
        yield (
            f"{PATH}: oversample.views is {views}, but oversample.strategy {strategy!r} repeats no tile, so no view is "
            f"used; set oversample.views to 0, or oversample.strategy to one of {list(resampling.REPEATING)}"
        )
    if views and oversample["policy"] == "none":
        yield (
            f"{PATH}: oversample.views is {views}, but with oversample.policy 'none' every view is the unchanged tile; "
            "set oversample.views to 0, or choose a policy"
        )
