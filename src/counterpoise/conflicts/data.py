"""What makes no sense of images, tiles, splits and views."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from counterpoise.config import PATH
from counterpoise.imbalance import resampling


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse a place outside the repository, splits and tiles of nothing, and views that nobody sees."""
    yield from _views(content["oversample"])
    split, tile = content["split"], content["tile"]
    if split["val_frac"] + split["test_frac"] >= 1:
        yield f"{PATH}: split.val_frac + split.test_frac leave nothing to train on; their sum must be below 1"
    if tile["overlap_px"] >= tile["size_px"]:
        yield f"{PATH}: tile.overlap_px must be below tile.size_px ({tile['size_px']})"
    root = content["ingest"]["root"]
    if Path(root).is_absolute() or ".." in Path(root).parts:
        yield f"{PATH}: ingest.root is {root!r}; expected a folder, or a link, inside the repository"
    if root == "data/raw/demo" and content["demo"]["name"] == "none":
        yield f"{PATH}: demo.name is 'none', so that ingest.root {root!r} is empty; set it to the folder of your images"


def _views(oversample: Mapping[str, Any]) -> Iterator[str]:
    """Refuse views of tiles that are drawn once, and views that are all the tile itself."""
    views, strategy = oversample["views"], oversample["strategy"]
    if views and strategy not in resampling.REPEATING:
        yield (
            f"{PATH}: oversample.views is {views}, but strategy {strategy!r} draws no tile twice, so that no view "
            f"would ever be seen; set views to 0 or strategy to one of {list(resampling.REPEATING)}"
        )
    if views and oversample["policy"] == "none":
        yield f"{PATH}: oversample.views is {views}, but policy 'none' makes every view the tile itself"
