"""Whether GeoTIFFs have a GeoJSON beside them, and which property of its features is the class."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator

from counterpoise.planning import tables
from counterpoise.planning.folder import Folder, evenly
from counterpoise.planning.formats.candidate import Candidate
from counterpoise.sources import SPLITS, read_json


def find(folder: Folder, refused: list[str]) -> Iterator[Candidate]:
    """List the property of features that is most likely the class."""
    files = folder.ending(".geojson")
    pictures = {posixpath.splitext(image)[0] for image in folder.images if image.lower().endswith((".tif", ".tiff"))}
    beside = [file for file in files if posixpath.splitext(file)[0] in pictures]
    if not beside:
        if files:
            refused.append(f"{folder.path}: no GeoTIFF has the name of a GeoJSON, such as {files[0]}")
        return
    values: dict[str, Counter[str]] = {}
    for file in evenly(beside, 20):
        features = read_json(folder.path / file, "ingest.sources.geojson.label_property").get("features")
        for feature in features if isinstance(features, list) else []:
            for key, value in (feature.get("properties") or {}).items() if isinstance(feature, dict) else []:
                values.setdefault(key, Counter())[str(value)] += 1
    texts = {key: counts for key, counts in values.items() if len(counts) <= tables.MOST_CLASSES}
    if not texts:
        refused.append(f"{folder.path / beside[0]}: its features have no property that could be a class")
        return
    order = sorted(texts, key=lambda key: (tables.LABELS.fullmatch(key) is None, len(texts[key]), key))
    tops = {image.split("/")[0].casefold() if "/" in image else "" for image in folder.images}
    others = f"; others are {', '.join(order[1:5])}" if order[1:] else ""
    doubts = (f"property {order[0]!r} of the features is taken for the class{others}",)
    block = {"label_property": order[0], "split_folders": len(tops) > 1 and tops <= SPLITS.keys()}
    yield Candidate("geojson", f"{len(beside)} GeoJSON files", block, "detection", doubts=doubts)
