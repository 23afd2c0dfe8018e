"""Windows of pictures that are too large to be decoded whole: JPEG, PNG and TIFF by pyvips, GeoTIFF by rasterio."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from counterpoise.images import samples
from counterpoise.images.samples import ImageError, Samples

if TYPE_CHECKING:
    import pyvips

LARGE_BYTES = 2**29
"""A picture that takes more than these 512 MiB to decode is read by windows."""
MAX_SCENE_PX = 2**32
"""A picture with more pixels is refused, as one that only claims to be large."""
BAND_BYTES = 2**28
"""Most bytes of full rows that are kept while windows are read from top to bottom."""
CACHE_BYTES = 2**28
_GEO_TAGS = (33550, 33922, 34264, 34735, 42112, 42113)
"""Tags of a TIFF by GDAL: pixel size, tie points, transform, CRS, metadata, nodata."""
_DTYPES: dict[str, type[np.number[Any]]] = {
    "uchar": np.uint8,
    "ushort": np.uint16,
    "short": np.int16,
    "int": np.int32,
    "uint": np.uint32,
}
_DTYPES |= {"float": np.float32, "double": np.float64, "char": np.int8}
Read = Callable[[int, int, int, int], NDArray[Any]]


def measure(path: Path) -> tuple[int, bool]:
    """Find the bytes that decoding a file takes, and whether it is a JPEG, PNG or TIFF that takes over `LARGE_BYTES`.

    Raises:
        ImageError: It is no image.
        OSError: It cannot be read.
    """
    size = path.stat().st_size
    if not size:
        return 0, False
    with path.open("rb") as file, samples.reasons(), samples.opened_header(file, size) as header:
        form = "TIFF" if header.page is not None else header.picture.format if header.picture else None
        is_large = header.cost_bytes > LARGE_BYTES and form in ("JPEG", "MPO", "PNG", "TIFF")
        is_large = is_large and header.size_px[0] * header.size_px[1] <= MAX_SCENE_PX
        return header.cost_bytes, is_large


@contextmanager
def opened(path: Path, *, rows_px: int, cache_bytes: int = CACHE_BYTES) -> Iterator[Samples]:
    """Open a picture of any size, whose `window` reads from the file only what it needs.

    Windows are cheap from top to bottom and within `rows_px` rows. Where the file does not allow them (progressive
    JPEG, interlaced PNG, a turned picture, rows that take more than `BAND_BYTES`), it is first converted to a tiled
    file in the folder for temporary files, which is as large as the picture without compression.

    Args:
        path: The file: JPEG, PNG or TIFF.
        rows_px: Height of the windows that are read, in px.
        cache_bytes: Most bytes of decoded blocks of a GeoTIFF that are kept; with fewer than two rows of blocks, some
            are decoded several times.

    Raises:
        ImageError: It cannot be read by windows, or the package for that is missing; the message says what to do.
    """
    with samples.reasons():
        with path.open("rb") as file:
            head = file.read(4)
        is_tiff = head in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
        is_geo = is_tiff and _has_geo_tags(path)
    with _opened_geotiff(path, cache_bytes) if is_geo else _opened_by_vips(path, rows_px, is_tiff) as values:
        yield values


def _has_geo_tags(path: Path) -> bool:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        return any(tag in tiff.pages.first.tags for tag in _GEO_TAGS)


@contextmanager
def _opened_geotiff(path: Path, cache_bytes: int) -> Iterator[Samples]:
    try:
        import rasterio
        from rasterio.enums import ColorInterp
        from rasterio.windows import Window
    except ModuleNotFoundError as error:
        raise ImageError(_missing("rasterio", "geo", "a GeoTIFF")) from error
    with rasterio.Env(GDAL_CACHEMAX=cache_bytes // 2**20), rasterio.open(path) as data:
        kinds = set(data.dtypes)
        if len(kinds) > 1 or np.dtype(data.dtypes[0]).kind not in "uif":
            raise ImageError(f"a GeoTIFF whose bands are {', '.join(sorted(kinds))}; expected one kind of real numbers")
        if ColorInterp.palette in data.colorinterp:
            raise ImageError("a large GeoTIFF with a palette; convert it to RGB by `gdal_translate -expand rgb`")

        def window(y0: int, y1: int, x0: int, x1: int) -> NDArray[Any]:
            return np.moveaxis(data.read(window=Window(x0, y0, x1 - x0, y1 - y0)), 0, -1)

        block_px = max(shape[0] for shape in data.block_shapes)
        yield Samples(
            kind=samples.kind_of(np.dtype(data.dtypes[0])),
            height=data.height,
            width=data.width,
            bands=data.count,
            alpha=data.count in (2, 4) and data.colorinterp[-1] == ColorInterp.alpha,
            is_tiff=True,
            window=_by_rows_of_blocks(window, data.width, data.height, block_px),
            absent=None if data.nodata is None or np.isnan(data.nodata) else float(data.nodata),
        )


def _by_rows_of_blocks(read: Read, width: int, height: int, block_px: int) -> Read:
    """Decode each row of blocks once where full rows are read that are fewer than those of a block."""
    none = np.empty((0, width, 0))
    top, rows = 0, none

    def window(y0: int, y1: int, x0: int, x1: int) -> NDArray[Any]:
        nonlocal top, rows
        if x1 - x0 < width or y1 - y0 >= block_px:
            return read(y0, y1, x0, x1)
        above, below = None, top + len(rows)
        if top <= y0 < below < y1:  # across the border of two rows of blocks
            above, y0 = rows[y0 - top :].copy(), below
        if y0 < top or y1 > top + len(rows):
            rows = none  # two rows of blocks of a wide scene would take a quarter of a GiB
            top = y0 // block_px * block_px
            rows = read(top, min(height, -(-y1 // block_px) * block_px), 0, width)
        own = rows[y0 - top : y1 - top]
        return own if above is None else np.concatenate([above, own])

    return window


@contextmanager
def _opened_by_vips(path: Path, rows_px: int, is_tiff: bool) -> Iterator[Samples]:
    try:
        import pyvips
    except ModuleNotFoundError as error:
        raise ImageError(_missing("pyvips", "scenes", "a picture")) from error
    pyvips.cache_set_max(0)
    with samples.reasons():
        image = pyvips.Image.new_from_file(str(path), access="sequential", fail_on="truncated")
        _stop_if_odd(image, is_tiff)
        orientation = image.get("orientation") if image.get_typeof("orientation") else 1
        row_bytes = image.width * image.bands * np.dtype(_DTYPES[image.format]).itemsize
        whole = _bytes_to_convert(path, row_bytes * image.height, image.width * image.height)
    if whole > LARGE_BYTES:
        raise ImageError(
            f"{image.width} x {image.height} px in a progressive JPEG or an interlaced PNG, which allows no windows "
            f"and takes {whole / 2**30:.1f} GiB to convert; save it as baseline JPEG, plain PNG or tiled TIFF"
        )
    if not (whole or orientation not in (1, 2) or row_bytes * rows_px > BAND_BYTES):
        yield _samples(image, _Rows(path, rows_px).read, is_tiff, orientation)
        return
    with tempfile.TemporaryDirectory(prefix="counterpoise-") as folder:
        tiled = str(Path(folder) / "scene.tif")
        with samples.reasons():
            image.tiffsave(tiled, tile=True, tile_width=512, tile_height=512, bigtiff=True)
            copy = pyvips.Image.new_from_file(tiled, access="random")
        yield _samples(copy, lambda y0, y1, x0, x1: _fetch(copy, y0, y1, x0, x1), is_tiff, orientation)


def _missing(package: str, extra: str, what: str) -> str:
    return (
        f"{what} that takes more than {LARGE_BYTES // 2**20} MiB to decode, for which {package} is missing; "
        f"run `pip install 'counterpoise[{extra}]'`"
    )


def _stop_if_odd(image: pyvips.Image, is_tiff: bool) -> None:
    if image.format not in _DTYPES:
        raise ImageError(f"its values are {image.format}; expected integers or floating point")
    if image.interpretation in ("cmyk", "lab", "labs") or (is_tiff and image.bands == 2):
        raise ImageError(f"a large picture whose colours are {image.interpretation}; convert it to RGB")


def _bytes_to_convert(path: Path, size: int, pixels: int) -> int:
    """Count the bytes that must be held to read any part of a file; 0 where windows can be read from top to bottom."""
    with path.open("rb") as file:
        head = file.read(29)
        if head.startswith(b"\x89PNG"):
            return size if head[28] else 0
        if not head.startswith(b"\xff\xd8"):
            return 0
        file.seek(2)
        while (mark := file.read(4)) and mark[0] == 0xFF:
            kind, length = mark[1], struct.unpack(">H", mark[2:])[0]
            if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
                return 6 * pixels if kind in (0xC2, 0xC6, 0xCA, 0xCE) else 0
            file.seek(length - 2, os.SEEK_CUR)
    return 0


def _samples(image: pyvips.Image, read: Read, is_tiff: bool, orientation: int) -> Samples:
    return Samples(
        kind=samples.kind_of(np.dtype(_DTYPES[image.format])),
        height=image.height,
        width=image.width,
        bands=image.bands,
        alpha=image.bands in (2, 4),
        is_tiff=is_tiff,
        window=read,
        orientation=orientation,
    )


def _fetch(image: pyvips.Image, y0: int, y1: int, x0: int, x1: int) -> NDArray[Any]:
    import pyvips

    data = pyvips.Region.new(image).fetch(x0, y0, x1 - x0, y1 - y0)
    return np.frombuffer(data, dtype=_DTYPES[image.format]).reshape(y1 - y0, x1 - x0, image.bands)


class _Rows:
    """Windows of a file that is decoded from top to bottom; the last rows are kept, and it starts again to go back."""

    def __init__(self, path: Path, rows_px: int) -> None:
        self.path, self.rows_px = path, rows_px
        self._start()

    def _start(self) -> None:
        import pyvips

        self.image = pyvips.Image.new_from_file(str(self.path), access="sequential", fail_on="truncated")
        self.region = pyvips.Region.new(self.image)
        self.top = 0
        self.rows = self._decode(0, 0)

    def _decode(self, y0: int, y1: int) -> NDArray[Any]:
        shape = (y1 - y0, self.image.width, self.image.bands)
        if y1 == y0:
            return np.empty(shape, dtype=_DTYPES[self.image.format])
        data = self.region.fetch(0, y0, self.image.width, y1 - y0)
        return np.frombuffer(data, dtype=_DTYPES[self.image.format]).reshape(shape)

    def read(self, y0: int, y1: int, x0: int, x1: int) -> NDArray[Any]:
        if y0 < self.top:
            self._start()
        below = self.top + len(self.rows)
        if y1 > below:
            keep = min(y0, below)
            fresh = [self._decode(y, min(y + 64, y1)) for y in range(below, y1, 64)]
            self.rows = np.concatenate([self.rows[keep - self.top :], *fresh])
            self.top = keep
        return self.rows[y0 - self.top : y1 - self.top, x0:x1]
