"""The values of an image as its file holds them: of any depth, with all bands, within a stated amount of memory."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from counterpoise.images import file_kinds
from counterpoise.images.budget import Budget

if TYPE_CHECKING:
    from tifffile import TiffPage

MAX_IMAGE_BYTES = 3 * 2**29
"""Most bytes that reading and decoding one image may take, 1.5 GiB: a photograph of 100 megapixels takes 1.2."""
MAX_SHARED_BYTES = 2**31
"""Most bytes that all threads which decode may take together, 2 GiB, so that a machine with 4 can do it."""
Image.MAX_IMAGE_PIXELS = MAX_IMAGE_BYTES  # Pillow's own limit is below ours, which is of bytes

EIGHT_BITS, INTEGER, FLOAT = "8 bits", "integer", "float"
"""Kinds of pixel values: 8 bits without sign; all other integers; floating point."""
BLOCK_PX = 2**20
LARGEST = 1e37
"""Values beyond are marks of absence, such as -3.4e38, the lowest of 32-bit floating point."""
_RESULT_BYTES = 7
"""Per pixel: the result, once more where it is turned, and its grey."""
_MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
"""What Pillow keeps per pixel; 4 in every other mode."""
_DECODER_BYTES = {"PNG": 0, "JPEG": 0, "MPO": 0, "BMP": 0, "PPM": 0, "GIF": 0, "TIFF": 4}
"""What a decoder keeps per pixel besides; 12 for every other format (JPEG 2000: four for each of three channels)."""
_PROGRESSIVE_BYTES = 6


class ImageError(ValueError):
    """An image cannot be decoded; the message is the reason, in words for the user."""


@dataclass(frozen=True)
class Samples:
    """The values of an image as its file holds them.

    Attributes:
        kind: `EIGHT_BITS`, `INTEGER` or `FLOAT`.
        height: Of the file, in px, before it is turned.
        width: Of the file, in px.
        bands: How many there are, transparency among them.
        alpha: Whether the last band is transparency, or a TIFF says so.
        is_tiff: Whether `alpha` is what a TIFF says.
        window: From (y0, y1, x0, x1) to the values there, (y1 - y0, x1 - x0, bands).
        inverted: Whether low values are white.
        absent: The value that marks pixels without a value.
        orientation: Of EXIF, 1 to 8.
    """

    kind: str
    height: int
    width: int
    bands: int
    alpha: bool
    is_tiff: bool
    window: Callable[[int, int, int, int], NDArray[Any]]
    inverted: bool = False
    absent: float | None = None
    orientation: int = 1

    def known(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say which values are values of the picture, not marks of absence, and finite."""
        found = np.abs(values) < LARGEST  # False for NaN
        return found if self.absent is None else found & (values != self.absent)

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height once the image is turned."""
        return (self.height, self.width) if 5 <= self.orientation <= 8 else (self.width, self.height)

    def windows(self) -> Iterator[tuple[int, int, int, int]]:
        """Cut the image into windows (y0, y1, x0, x1) of bounded size."""
        return blocks(self.height, self.width, self.bands)

    def before_turning(self, window: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """Find where a window (x0, y0, x1, y1) of the turned image lies in the file, likewise."""
        x0, y0, x1, y1 = window
        if 5 <= self.orientation <= 8:
            x0, y0, x1, y1 = y0, x0, y1, x1
        if self.orientation in (2, 3, 7, 8):
            x0, x1 = self.width - x1, self.width - x0
        if self.orientation in (3, 4, 6, 7):
            y0, y1 = self.height - y1, self.height - y0
        return x0, y0, x1, y1


def blocks(height: int, width: int, bands: int) -> Iterator[tuple[int, int, int, int]]:
    """Cut a rectangle into windows (y0, y1, x0, x1) of bounded size."""
    columns = max(1, min(width, BLOCK_PX // bands))
    rows = max(1, BLOCK_PX // bands // columns)
    for y in range(0, height, rows):
        for x in range(0, width, columns):
            yield y, min(y + rows, height), x, min(x + columns, width)


@dataclass(frozen=True)
class _Header:
    """What is known before anything is decoded: the image (of a TIFF perhaps its first page), and what it costs."""

    picture: Image.Image | None
    page: TiffPage | None
    is_deep: bool
    cost_bytes: int

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the file, before it is turned."""
        if self.page is not None:
            return int(self.page.imagewidth), int(self.page.imagelength)
        assert self.picture is not None
        return self.picture.width, self.picture.height


_BUDGET = Budget(MAX_SHARED_BYTES)


@contextmanager
def taking(size_bytes: int) -> Iterator[None]:
    """Wait until so many bytes of what all threads share are free, and hold them meanwhile."""
    with _BUDGET.taking(size_bytes):
        yield


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Wait until all threads together have the memory to read and decode a file, and hold it meanwhile.

    Raises:
        ImageError: It is no image, or takes more than `MAX_IMAGE_BYTES`.
        OSError: It cannot be read.
    """
    size = path.stat().st_size
    if not size:
        raise ImageError("the file is empty")
    if size > MAX_IMAGE_BYTES:
        raise ImageError(
            f"a file of {size / 2**30:.1f} GiB, more than the {MAX_IMAGE_BYTES / 2**30:.1f} an image may take"
        )
    with path.open("rb") as file, reasons(), _opened(file, size, ()) as header:
        cost = header.cost_bytes
    with _BUDGET.taking(cost):
        yield


def read(data: bytes, bands: tuple[int, ...] = ()) -> Samples:
    """Read the values of an image as its file holds them.

    Args:
        data: The bytes of the file: PNG and TIFF of any depth, and what Pillow reads.
        bands: Numbers of bands that the file should have; empty for any.

    Raises:
        ImageError: The bytes are empty, truncated, no image, a program that draws one, or a picture that takes more
            than `MAX_IMAGE_BYTES`; or it has too few bands.
    """
    if not data:
        raise ImageError("the file is empty")
    with reasons(), _opened(io.BytesIO(data), len(data), bands) as header:
        if header.page is not None:
            samples = _read_page(header.page)
        elif header.is_deep:
            assert header.picture is not None
            samples = _read_deep(data, header.picture)
        else:
            assert header.picture is not None
            samples = _read_picture(header.picture)
    stop_if_too_few(samples, bands)
    return samples


def stop_if_too_few(samples: Samples, bands: tuple[int, ...]) -> None:
    """Check that an image has the bands of these numbers.

    Raises:
        ImageError: It has not.
    """
    if bands and max(bands) >= samples.bands:
        raise ImageError(f"it has {samples.bands} bands, numbered from 0; ingest.bands asks for band {max(bands)}")


def is_plain(data: bytes, *, transparent: bool = True) -> bool:
    """Say whether a file holds a picture of 8 bits without bands that are not shown.

    Args:
        data: The bytes of the file.
        transparent: Whether a picture that is transparent in places counts; one of a TIFF never does.
    """
    with reasons(), _opened(io.BytesIO(data), len(data), ()) as header:
        picture = header.picture
        if picture is None or header.is_deep or picture.mode[0] in "IF":
            return False
        return transparent or not _is_transparent(picture)


@contextmanager
def reasons() -> Iterator[None]:
    """Turn whatever a decoder raises into an `ImageError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns at a limit lower than ours, and about odd metadata
            yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError("the memory of this machine does not suffice to decode it") from error
    except UnidentifiedImageError as error:
        raise ImageError("not an image in a known format") from error
    except Exception as error:  # decoders raise whatever damaged bytes lead them to
        raise ImageError(f"cannot be decoded: {error}") from error


@contextmanager
def _opened(file: IO[bytes], size: int, bands: tuple[int, ...]) -> Iterator[_Header]:
    """Open an image without decoding it, and refuse what would take too much memory."""
    with opened_header(file, size, bands) as header:
        _stop_if_large(*header.size_px, header.cost_bytes)
        yield header


@contextmanager
def opened_header(file: IO[bytes], size: int, bands: tuple[int, ...] = ()) -> Iterator[_Header]:
    """Open an image of `size` bytes without decoding it, however large it is.

    Raises:
        ImageError: It is no image. Decoders raise other errors, which `reasons` turns into this one.
    """
    start = file.read(4096)
    file.seek(0)
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        with _tiff_page(file, bands) as page:
            if page is not None:
                pixels = int(page.imagelength) * int(page.imagewidth)
                yield _Header(None, page, False, 2 * page.nbytes + 7 * pixels + size)
                return
        file.seek(0)
    try:
        picture = Image.open(file)
    except UnidentifiedImageError as error:
        raise ImageError(file_kinds.describe(start) or "not an image in a known format") from error
    with picture:
        if picture.format == "EPS":  # Pillow would run it, by a Ghostscript of whatever version there is
            raise ImageError("a PostScript file, which is a program and not an image; convert it to PNG")
        deep = _depth(picture, start) > 8
        each = _RESULT_BYTES + (8 if deep else _MODE_BYTES.get(picture.mode, 4))
        each += _DECODER_BYTES.get(picture.format or "", 12)
        each += _PROGRESSIVE_BYTES if picture.info.get("progressive") else 0
        yield _Header(picture, None, deep, picture.width * picture.height * each + size)


def _depth(picture: Image.Image, start: bytes) -> int:
    """Tell the bits per value of a PNG, and of colours in JPEG 2000, of which Pillow keeps only 8; else 8."""
    if picture.format == "PNG":
        return start[24]
    size = start.find(b"\xff\x51")  # the marker of its sizes, in which the depth of the first band has byte 40
    if picture.format == "JPEG2000" and picture.mode[0] not in "IF" and 0 <= size < len(start) - 40:
        return (start[size + 40] & 0x7F) + 1
    return 8


def _stop_if_large(width: int, height: int, cost: int) -> None:
    if cost > MAX_IMAGE_BYTES:
        raise ImageError(
            f"{width} x {height} px take {cost / 2**30:.1f} GiB to decode, more than the {MAX_IMAGE_BYTES / 2**30:.1f} "
            "GiB that an image may take; cut it into smaller images, or shrink it"
        )


@contextmanager
def _tiff_page(file: IO[bytes], bands: tuple[int, ...]) -> Iterator[TiffPage | None]:
    """Give the first page of a TIFF that Pillow cannot read, or not with all its bits and bands; else `None`."""
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is wrong with a file is said by exceptions
    try:
        tiff = tifffile.TiffFile(file)
        page = tiff.pages.first
    except Exception:  # of damaged bytes; Pillow's reason is the better known one
        yield None
        return
    try:
        picture = Image.open(file)
        by_pillow = picture.mode != "F"
    except (UnidentifiedImageError, SyntaxError):
        by_pillow = False
    is_plain = page.dtype is not None and page.dtype in (np.uint8, np.bool_) and not page.extrasamples
    wanted = not is_plain or (bool(bands) and page.samplesperpixel > 1)
    in_bands = int(page.photometric) in (0, 1, 2)
    yield page if not by_pillow or (wanted and in_bands) else None


def _read_page(page: TiffPage) -> Samples:
    dtype, axes = page.dtype, page.axes
    if dtype is None or dtype.kind not in "buif":
        raise ImageError(f"a TIFF whose values are {dtype}; expected integers or floating point")
    if axes not in ("YX", "YXS", "SYX") or 0 in page.shape:
        raise ImageError(f"a TIFF of shape {page.shape}, axes {axes}; expected one picture, with or without bands")
    values = page.asarray(maxworkers=1)
    values = values[..., None] if axes == "YX" else np.moveaxis(values, 0, -1) if axes == "SYX" else values
    if dtype.kind == "b":
        values = values.view(np.uint8) * np.uint8(255)
    nodata, orientation = page.tags.get(42113), page.tags.get(274)
    try:
        absent = float(str(nodata.value).strip("\0 ")) if nodata else None
    except ValueError:
        absent = None
    return Samples(
        kind=kind_of(values.dtype),
        height=values.shape[0],
        width=values.shape[1],
        bands=values.shape[2],
        alpha=values.shape[2] in (2, 4) and bool(page.extrasamples) and int(page.extrasamples[-1]) in (1, 2),
        is_tiff=True,
        window=lambda y0, y1, x0, x1: values[y0:y1, x0:x1],
        inverted=int(page.photometric) == 0,
        absent=absent,
        orientation=orientation.value if orientation and isinstance(orientation.value, int) else 1,
    )


def _read_deep(data: bytes, picture: Image.Image) -> Samples:
    import imagecodecs

    values = imagecodecs.png_decode(data) if picture.format == "PNG" else imagecodecs.jpeg2k_decode(data)
    values = values[..., None] if values.ndim == 2 else values
    return Samples(
        kind=kind_of(values.dtype),
        height=values.shape[0],
        width=values.shape[1],
        bands=values.shape[2],
        alpha=values.shape[2] in (2, 4),
        is_tiff=False,
        window=lambda y0, y1, x0, x1: values[y0:y1, x0:x1],
        orientation=picture.getexif().get(0x0112, 1) if b"eXIf" in data else 1,  # Pillow decodes all to look for it
    )


def kind_of(dtype: np.dtype[Any]) -> str:
    """Name the kind of values that an array of this type holds."""
    return FLOAT if dtype.kind == "f" else EIGHT_BITS if dtype == np.uint8 else INTEGER


def _is_transparent(picture: Image.Image) -> bool:
    return "transparency" in picture.info or "A" in picture.mode or "a" in picture.mode


def _read_picture(picture: Image.Image) -> Samples:
    picture.load()
    if picture.mode[0] in "IF":
        kind, mode, bands = FLOAT if picture.mode == "F" else INTEGER, picture.mode, 1
    elif _is_transparent(picture):
        mode = "LA" if picture.mode == "LA" else "RGBA"
        kind, bands = EIGHT_BITS, len(mode)
    else:
        mode = "L" if picture.mode in ("1", "L") else "RGB"
        kind, bands = EIGHT_BITS, len(mode)

    def window(y0: int, y1: int, x0: int, x1: int) -> NDArray[Any]:
        values = np.asarray(picture.crop((x0, y0, x1, y1)).convert(mode))
        return values[..., None] if values.ndim == 2 else values

    return Samples(
        kind=kind,
        height=picture.height,
        width=picture.width,
        bands=bands,
        alpha=kind == EIGHT_BITS and bands in (2, 4),
        is_tiff=False,
        window=window,
        orientation=picture.getexif().get(0x0112, 1),
    )
