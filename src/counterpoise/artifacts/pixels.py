"""`data/pixels.json`: how the values of an image become 8-bit RGB, the same for all images, and how that was found."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from counterpoise import storage
from counterpoise.images import Pixels

PATH = "data/pixels.json"
SUMS = "data/ingest.sums"


def write(root: Path, pixels: Pixels) -> None:
    """Check and write how values become 8-bit RGB."""
    _check(pixels)
    storage.write_json(root / PATH, asdict(pixels), root / SUMS)


def read(root: Path) -> Pixels:
    """Read and check it.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    pixels = storage.read_dataclass(root, PATH, Pixels, SUMS)
    _check(pixels)
    return pixels


def _check(pixels: Pixels) -> None:
    for kind, (low, high) in pixels.ranges.items():
        if not low < high:
            raise storage.ArtifactError(f"{PATH}: the range of {kind} values is {low} to {high}; run `dvc repro`")
    if len(pixels.bands) not in (0, 1, 3) or min(pixels.bands, default=0) < 0 or pixels.background not in (0, 255):
        raise storage.ArtifactError(
            f"{PATH}: bands {list(pixels.bands)}, background {pixels.background}; expected 0, 1 or 3 numbers from 0, "
            "and 0 or 255; run `dvc repro`"
        )
