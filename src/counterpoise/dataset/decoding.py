"""Decode every image of a data set once, and find the range of its values."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from counterpoise import images
from counterpoise.dataset import cpus, curation, pixels
from counterpoise.images import samples, scenes


@dataclass(frozen=True)
class Decoded:
    """What is kept of an image.

    Attributes:
        width_px: After it is turned as EXIF says.
        height_px: Likewise.
        sha256: Hash of the file.
        thumbnail: Small grey picture, uint8 (s, s).
        seen: What its values are; `None` where it is decoded again, once the range of all values is known.
        orientation: Of EXIF, 1 to 8.
    """

    width_px: int
    height_px: int
    sha256: str
    thumbnail: NDArray[np.uint8]
    seen: pixels.Seen | None
    orientation: int = 1


Look = Callable[[Sequence[str]], tuple[list[Decoded | str], images.Pixels]]
"""Decodes the images of these names, or says why it cannot, and how the values of all become 8-bit RGB."""


def decode(folder: Path, bands: Sequence[int], found: images.Pixels | None, image: str) -> Decoded | str:
    """Decode one image.

    Args:
        folder: `ingest.root`.
        bands: Numbers of the bands that are shown; empty for the usual ones.
        found: How values become 8-bit RGB; `None` if that is not known yet: then only a plain image gets a thumbnail.
        image: Its path below it. Links are followed wherever they lead.

    Returns:
        What is kept of the image, or the reason why it is unusable.
    """
    path = folder / image
    try:
        if path.exists() and not path.is_file():  # reading a pipe would wait forever
            return "the path is a folder, not an image" if path.is_dir() else "the path is not a regular file"
        if scenes.measure(path)[1]:
            return _look_through(path, bands, found)
        with samples.room_for(path):
            data = path.read_bytes()
            values = samples.read(data, tuple(bands))
            seen = None if found else pixels.look(values, bands)
            small = np.zeros((images.THUMBNAIL_PX,) * 2, dtype=np.uint8)
            if seen is None or seen.is_plain:
                small = images.thumbnail(images.render(values, found or images.Pixels(bands=tuple(bands))))
            return Decoded(*values.size_px, hashlib.sha256(data).hexdigest(), small, seen, values.orientation)
    except images.ImageError as error:
        return str(error)
    except FileNotFoundError:
        nowhere = "it is a link that leads nowhere; if DVC made it, `dvc checkout` or `dvc pull` brings the image back"
        return nowhere if path.is_symlink() else curation.MISSING
    except OSError as error:
        return f"the image cannot be read: {error.strerror}"
    except ValueError:
        return "its path contains a null character"


def _look_through(path: Path, bands: Sequence[int], found: images.Pixels | None) -> Decoded:
    """Do the same for a picture that is read by windows, at most two at a time: each takes some 300 MB."""
    with samples.taking(samples.MAX_SHARED_BYTES // 2), path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        with scenes.opened(path, rows_px=1024) as values:
            samples.stop_if_too_few(values, tuple(bands))
            seen = None if found else pixels.look(values, bands)
            small = np.zeros((images.THUMBNAIL_PX,) * 2, dtype=np.uint8)
            if seen is None or seen.is_plain:
                small = images.thumbnail_of(values, found or images.Pixels(bands=tuple(bands)))
            return Decoded(*values.size_px, sha256, small, seen, values.orientation)


def decode_all(
    folder: Path,
    names: Sequence[str],
    *,
    pixel_range: tuple[float, float] | None,
    bands: tuple[int, ...],
    background: Literal["auto", "black", "white"],
) -> tuple[list[Decoded | str], images.Pixels]:
    """Decode images in as many threads as there are CPUs to use.

    Images with more than 8 bits or transparency are decoded a second time, once the range of all images is known.

    Args:
        folder: `ingest.root`.
        names: Paths of the images below it.
        pixel_range: Stated lowest and highest value; `None` finds them.
        bands: Numbers of the bands to show; empty for the usual ones.
        background: Colour behind transparent pixels, as in `ingest.background`.

    Returns:
        What is kept of each image, or the reason why it is unusable; and how values become 8-bit RGB.
    """
    results = _in_threads(partial(decode, folder, bands, None), names)
    found = pixels.settle(
        (result.seen for result in results if isinstance(result, Decoded) and result.seen),
        stated_range=pixel_range,
        stated_bands=bands,
        background=background,
    )
    again = [
        number
        for number, result in enumerate(results)
        if isinstance(result, Decoded) and (pixel_range or not (result.seen and result.seen.is_plain))
    ]
    decoded = _in_threads(partial(decode, folder, bands, found), [names[number] for number in again])
    for number, result in zip(again, decoded, strict=True):
        results[number] = result
    return results, found


def _in_threads(function: Callable[[str], Decoded | str], names: Sequence[str]) -> list[Decoded | str]:
    """Decode in threads: decoders work outside the interpreter's lock, and `samples` bounds what they take together."""
    pool = ThreadPoolExecutor(cpus.available())
    try:
        # Threads share the filters of warnings, which `samples.read` sets and resets: set them once around all.
        with warnings.catch_warnings(action="ignore"):
            results = pool.map(function, names)
            return list(tqdm(results, total=len(names), desc="decode", unit="image", delay=1, mininterval=1))
    finally:
        pool.shutdown(cancel_futures=True)  # otherwise Ctrl-C would wait for all images
