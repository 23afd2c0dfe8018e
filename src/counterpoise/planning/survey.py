"""Read the labels of a folder as the stage `ingest` does, but decode a few images only."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from counterpoise import config, images, sources
from counterpoise.dataset import curation, decoding, image_paths, pixels
from counterpoise.dataset.decoding import Decoded
from counterpoise.images import samples
from counterpoise.planning.folder import evenly
from counterpoise.sources import Row
from counterpoise.stages import ingest

DECODED = 48
"""Images that are decoded."""
DECODE_S, HEADERS_S = 6.0, 6.0
"""No further image is decoded, and no further header read, after so many seconds."""
_CONTRAST = np.tile(np.linspace(0, 255, images.THUMBNAIL_PX).astype(np.uint8), (images.THUMBNAIL_PX, 1))
"""A thumbnail for images that are not decoded, so that they do not look flat."""


@dataclass(frozen=True)
class Survey:
    """What is known of a data set after a look.

    Attributes:
        rows: The raw rows.
        data: What `ingest` would write; thumbnails and checksums are placeholders.
        warnings: What the source and `ingest` would say.
        looked_at: Images that were decoded.
        measured: Images whose size is known; the others are taken for as large as the median.
        decode_s: Seconds of one thread to decode an image, mean.
        file_bytes: Mean size of a file.
        read_s: Seconds that reading the labels took.
    """

    rows: tuple[Row, ...]
    data: ingest.Ingested
    warnings: tuple[str, ...]
    looked_at: int
    measured: int
    decode_s: float
    file_bytes: float
    read_s: float

    @property
    def rejected_frac(self) -> float:
        """Share of the rows that cannot be used."""
        unusable = int((self.data.rejected["kind"] == "rejected").sum())
        return unusable / max(1, sum(not row.unused for row in self.rows))


def survey(root: Path, content: Mapping[str, Any]) -> Survey:
    """Read the labels that `params.yaml` names.

    Args:
        root: The repository.
        content: Its parameters; only `task` and `ingest` matter.

    Raises:
        InputError: The labels cannot be read, or no two classes are left.
    """
    params = config.validate(ingest.Params, {"task": content["task"], "ingest": content["ingest"]})
    wanted, said = params.ingest, list[str]()
    began_s = time.perf_counter()
    source = sources.find(wanted.source)
    settings = config.validate(source.Params, wanted.sources.get(wanted.source, {}), f"ingest.sources.{wanted.source}")
    folder = root / wanted.root
    rows = source.read(folder, settings, said.append)
    found = image_paths.find(folder, wanted.root, [row.image for row in rows if not row.unused])
    read_s = time.perf_counter() - began_s
    look = _Look(folder, wanted, rows, found.files)
    result = ingest.assemble(rows, look, params, found)
    said += [*ingest.remarks(rows, found, result), *result.warnings]
    return Survey(
        tuple(rows), result, tuple(said), look.looked_at, look.measured, look.decode_s, look.file_bytes, read_s
    )


class _Look:
    """Decodes a few images, reads the headers of others, and takes the rest for images like those."""

    def __init__(self, folder: Path, params: ingest.Ingest, rows: Sequence[Row], files: Mapping[str, str]) -> None:
        self.folder, self.params = folder, params
        self.bands = () if params.bands == "auto" else params.bands
        self.looked_at = self.measured = 0
        self.decode_s = self.file_bytes = 0.0
        self.reach: dict[str, tuple[int, int]] = {}
        for row in rows:  # as large as the labels say, or as the boxes reach
            box = row.box if row.box and row.unit == "px" else (0, 0, 1, 1)
            stated = row.size_px or (math.ceil(box[2]), math.ceil(box[3]))
            name = files.get(row.image, row.image)
            before = self.reach.get(name, (1, 1))
            self.reach[name] = (max(before[0], stated[0]), max(before[1], stated[1]))

    def __call__(self, names: Sequence[str]) -> tuple[list[Decoded | str], images.Pixels]:
        """Give what is kept of each image, or why it cannot be used."""
        looked = self._decode(names)
        results: dict[str, Decoded | str] = dict(looked)
        whole = [result for result in looked.values() if isinstance(result, Decoded)]
        found = pixels.settle(
            (result.seen for result in whole if result.seen),
            stated_range=None if self.params.pixel_range == "auto" else self.params.pixel_range,
            stated_bands=self.bands,
            background=self.params.background,
        )
        self._measure([name for name in names if name not in results], results)
        known = [result for result in results.values() if isinstance(result, Decoded)]
        self.measured = len(known)
        usual = (
            (int(np.median([one.width_px for one in known])), int(np.median([one.height_px for one in known])))
            if known
            else (1, 1)
        )
        for name in names:
            if name not in results:
                reach = self.reach.get(name, (1, 1))
                size = (max(usual[0], reach[0]), max(usual[1], reach[1]))
                there = (self.folder / name).is_file()
                results[name] = _placeholder(name, *size) if there else curation.MISSING
        return [_shown(name, results[name]) for name in names], found

    def _decode(self, names: Sequence[str]) -> dict[str, Decoded | str]:
        chosen, looked, sizes = evenly(tuple(names), DECODED), dict[str, Decoded | str](), []
        began_s = time.perf_counter()
        decode = partial(decoding.decode, self.folder, self.bands, None)
        for name in chosen:
            looked[name] = decode(name)
            if isinstance(looked[name], Decoded):
                sizes.append((self.folder / name).stat().st_size)
            if time.perf_counter() - began_s > DECODE_S:
                break
        self.looked_at = len(sizes)
        self.decode_s = (time.perf_counter() - began_s) / max(1, len(looked))
        self.file_bytes = float(np.mean(sizes)) if sizes else 0.0
        return looked

    def _measure(self, names: Sequence[str], results: dict[str, Decoded | str]) -> None:
        """Read the headers of evenly spaced images until the time is over."""
        began_s = time.perf_counter()
        order = [name for start in range(16) for name in names[start::16]]
        for name in order:
            if time.perf_counter() - began_s > HEADERS_S:
                return
            results[name] = self._header(name)

    def _header(self, name: str) -> Decoded | str:
        path = self.folder / name
        try:
            with path.open("rb") as file, samples.reasons(), samples.opened_header(file, path.stat().st_size) as header:
                width_px, height_px = header.size_px
                turned = header.picture.getexif().get(0x0112, 1) if header.picture and path.suffix != ".png" else 1
        except images.ImageError as error:
            return str(error)
        except FileNotFoundError:
            return curation.MISSING
        except (OSError, ValueError) as error:
            return f"the image cannot be read: {getattr(error, 'strerror', None) or error}"
        if 5 <= turned <= 8:
            width_px, height_px = height_px, width_px
        return _placeholder(name, width_px, height_px, turned)


def _placeholder(name: str, width_px: int, height_px: int, orientation: int = 1) -> Decoded:
    return Decoded(width_px, height_px, name, _CONTRAST, None, orientation)


def _shown(name: str, result: Decoded | str) -> Decoded | str:
    """Give every image the same look and a checksum of its own: what few images show says nothing of all."""
    if isinstance(result, str):
        return result
    return _placeholder(name, result.width_px, result.height_px, result.orientation)
