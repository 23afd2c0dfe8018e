"""Conflicts between settings of images, tiles, splits and views."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from counterpoise import demos
from counterpoise.config import PATH
from counterpoise.imbalance import resampling

OUTPUTS = (
    demos.FOLDER,
    *("data/manifest.csv", "data/boxes.csv", "data/scenes.csv", "data/classes.json", "data/rejected.csv"),
    *("data/thumbnails.npy", "data/pixels.json"),
    *("data/splits.csv", "data/clusters.csv", "data/positive.json", "data/draws.csv", "data/prior.json"),
    *("data/ingest.sums", "data/split.sums", "data/oversample.sums", "models/decide.sums", "reports/evaluate.sums"),
    *(f"data/{kind}/{split}" for kind in ("tiles", "features") for split in ("train", "val", "test")),
    *("models/model", "models/decision.json", "results/code", "results/params.ok", "results/train"),
    *(f"results/predictions/{split}.parquet" for split in ("val", "test")),
    *(f"results/predictions/predict.{split}.sums" for split in ("val", "test")),
    *(f"results/detections/{split}" for split in ("val", "test")),
    *("reports/metrics.json", "reports/plots", "reports/index.html", "reports/model_card.md"),
)
"""What the stages of `dvc.yaml` write. DVC deletes these before it runs a stage."""
BRINGS = (("ingest", "root"), ("decide", "unlabelled"))
"""Section and key of each folder that holds files of the user."""


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
    yield from _blocks(split["blocks"], tile["size_px"])
    for section, key in BRINGS:
        if any(ord(character) < ord(" ") for character in content[section][key]):
            yield f"{PATH}: {section}.{key} is {content[section][key]!r}; expected a path without control characters"
            return
    root = content["ingest"]["root"]
    if Path(root).is_absolute() or ".." in Path(root).parts:
        yield (
            f"{PATH}: ingest.root is {root!r}; expected a folder, or a link, inside the repository; copy the images "
            "there, or make a link"
        )
    else:
        yield from mixed_with_outputs("ingest.root", root, content["demo"]["name"])


def mixed_with_outputs(name: str, place: str, demo: str, real: str | None = None) -> Iterator[str]:
    """Refuse a folder of the user's files that lies inside an output of the pipeline, or around one.

    Args:
        name: The parameter, with its section.
        place: Its value.
        demo: What `demo.name` is: while it names a set, `ingest.root` may be the folder of the demo.
        real: The folder, below the repository, to which links lead from `place`.
    """
    parts = _parts(real or place)
    if name == "ingest.root" and parts == _parts(demos.FOLDER):
        if demo == "none":
            yield (
                f"{PATH}: demo.name is 'none', so ingest.root {place!r} is empty; set it to the folder of your images, "
                "such as 'data/raw/mine', or demo.name to one of " + repr(demos.names())
            )
        return
    leads = f"{place!r}, a link to {real!r}" if real else repr(place)
    advice = f"move your files, for example to data/raw/mine, and set {name} to that folder"
    for output in OUTPUTS:
        if parts[: len(_parts(output))] == _parts(output):
            yield f"{PATH}: {name} is {leads}, inside {output!r}, which the pipeline writes and may delete; {advice}"
            return
    within = [output for output in OUTPUTS if _parts(output)[: len(parts)] == parts]
    if within:
        yield f"{PATH}: {name} is {leads}, which also holds outputs of the pipeline, such as {within[0]!r}; {advice}"


def _parts(place: str) -> tuple[str, ...]:
    """Split a path in lower case, since `Data/Demo` and `data/demo` are one folder on macOS and Windows."""
    return PurePosixPath(posixpath.normpath(place.casefold())).parts


def _blocks(blocks: Mapping[str, Any], tile_px: int) -> Iterator[str]:
    """Refuse a guard band narrower than a tile, and blocks of which guard bands leave less than a tile."""
    size_px, guard_px = blocks["size_px"], blocks["guard_px"]
    if size_px is None:
        return
    if guard_px < tile_px:
        yield (
            f"{PATH}: split.blocks.guard_px is {guard_px}; expected at least tile.size_px, {tile_px}, since objects at "
            f"a border look alike on both sides; set it to {tile_px}, or split.blocks.size_px to null"
        )
    elif size_px < guard_px + tile_px:
        yield (
            f"{PATH}: split.blocks.size_px is {size_px}, so guard bands of {guard_px} px may leave less than a tile of "
            f"{tile_px} px of a block; set it to at least {guard_px + tile_px}"
        )


def _views(oversample: Mapping[str, Any]) -> Iterator[str]:
    """Refuse views of tiles that are drawn once, views that are all the tile itself, and a majority of nothing."""
    views, strategy = oversample["views"], oversample["strategy"]
    if oversample["majority_only"] == "drop" and not oversample["majority"]:
        yield (
            f"{PATH}: oversample.majority_only is 'drop', but oversample.majority names no class; list the classes "
            "there, such as [roof], or set oversample.majority_only to keep"
        )
    pasting = oversample["copy_paste"]
    if pasting["frac"] and not pasting["classes"]:
        yield (
            f"{PATH}: oversample.copy_paste.frac is {pasting['frac']:g}, but oversample.copy_paste.classes names no "
            "class; list the rare classes there, such as [panel], or set oversample.copy_paste.frac to 0.0"
        )
    if pasting["frac"] and not views:
        yield (
            f"{PATH}: oversample.copy_paste.frac is {pasting['frac']:g}, but objects are pasted onto views, and "
            "oversample.views is 0; set it to 3, or oversample.copy_paste.frac to 0.0"
        )
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
