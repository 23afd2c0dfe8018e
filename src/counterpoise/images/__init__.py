"""From encoded bytes to 8-bit RGB arrays, and from those to what a network takes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from counterpoise.images import samples as files
from counterpoise.images.samples import BLOCK_PX, EIGHT_BITS, INTEGER, Samples
from counterpoise.images.samples import ImageError as ImageError  # what `decode` raises

RGB = NDArray[np.uint8]
THUMBNAIL_PX = 32


@dataclass(frozen=True)
class Pixels:
    """How the values of an image become 8-bit RGB: the same for all images of a data set.

    Attributes:
        ranges: Kind of values -> (black, white), the values that become 0 and 255. Values of 8 bits that are not named
            stay unchanged; other kinds that are not named cannot be decoded.
        bands: Numbers of the bands that are red, green and blue, or of one that is grey; from 0. Empty for the usual
            ones: the only band, or the first three, and transparency where there is some.
        background: What lies behind transparent pixels, 0 (black) or 255 (white).
        tiff_alpha: Whether what a TIFF calls alpha is transparency; else it is not used.
        found: How all this was found, in a sentence.
    """

    ranges: Mapping[str, tuple[float, float]] = field(default_factory=lambda: {INTEGER: (0.0, 65535.0)})
    bands: tuple[int, ...] = ()
    background: int = 0
    tiff_alpha: bool = True
    found: str = ""


def decode(data: bytes, pixels: Pixels | None = None) -> RGB:
    """Decode an image file as a person would see it: rotated as EXIF says, 8-bit RGB.

    Values of more than 8 bits are scaled by the range of their kind, what is not finite is black, palettes and CMYK
    are converted, transparency is laid on the background, and of an animation the first picture counts.

    Args:
        data: The bytes of the file.
        pixels: How values become 8-bit RGB; of `None`, integers are black at 0 and white at 65535.

    Returns:
        uint8 (height, width, 3).

    Raises:
        ImageError: The bytes are empty, truncated, no image, a program that draws one, or a picture that takes more
            than `samples.MAX_IMAGE_BYTES`; or its values are of a kind that has no range, or it has too few bands.
    """
    pixels = pixels or Pixels()
    return render(files.read(data, pixels.bands), pixels)


def decode_fast(data: bytes, pixels: Pixels) -> RGB:
    """Decode as `decode` does; upright photographs in JPEG in less than half of the time."""
    if pixels.bands or EIGHT_BITS in pixels.ranges or not _is_upright_photograph(data):
        return decode(data, pixels)
    import imagecodecs

    with files.reasons():
        return np.asarray(imagecodecs.jpeg8_decode(data))


def _is_upright_photograph(data: bytes) -> bool:
    with files.reasons(), files.opened_header(io.BytesIO(data), len(data)) as header:
        picture = header.picture
        if picture is None or (picture.format, picture.mode) != ("JPEG", "RGB"):
            return False
        return picture.getexif().get(0x0112, 1) not in range(2, 9) and header.cost_bytes <= files.MAX_IMAGE_BYTES


def is_as_shown(data: bytes, pixels: Pixels) -> bool:
    """Say whether `decode` without `pixels` gives the same picture, so that the file can be kept unchanged."""
    if pixels.bands or EIGHT_BITS in pixels.ranges:
        return False
    return files.is_plain(data, transparent=pixels.background == 0)


def render(samples: Samples, pixels: Pixels) -> RGB:
    """Make 8-bit RGB of the values of an image, turned as EXIF says.

    Returns:
        uint8 (height, width, 3).

    Raises:
        ImageError: Its values are of a kind that has no range, or bytes are damaged.
    """
    return render_window(samples, pixels, (0, 0, *samples.size_px))


def render_window(samples: Samples, pixels: Pixels, window: tuple[int, int, int, int]) -> RGB:
    """Make 8-bit RGB of a window (x0, y0, x1, y1) of the turned image; nothing outside it is read.

    Returns:
        uint8 (y1 - y0, x1 - x0, 3).

    Raises:
        ImageError: Its values are of a kind that has no range, or bytes are damaged.
    """
    if samples.kind not in pixels.ranges and samples.kind != EIGHT_BITS:
        raise ImageError(
            f"its values are {samples.kind} ones of more than 8 bits, for which no range is known; state "
            "ingest.pixel_range, or convert it to 8 bits"
        )
    left, top, right, bottom = samples.before_turning(window)
    image = np.empty((bottom - top, right - left, 3), dtype=np.uint8)
    with files.reasons():
        for y0, y1, x0, x1 in files.blocks(bottom - top, right - left, samples.bands):
            values = samples.window(top + y0, top + y1, left + x0, left + x1)
            image[y0:y1, x0:x1] = _as_rgb(samples, values, pixels)
    return np.ascontiguousarray(_turn(image, samples.orientation))


def colour_bands(samples: Samples, bands: tuple[int, ...] = ()) -> list[int]:
    """Number the bands that are shown: those that `bands` names, else the usual ones."""
    usual = 3 if samples.bands - samples.alpha >= 3 else 1
    return list(bands or range(usual))


def _as_rgb(samples: Samples, values: NDArray[Any], pixels: Pixels) -> RGB:
    shown = colour_bands(samples, pixels.bands)
    is_first = shown == list(range(len(shown)))  # a slice is no copy
    colours = values[..., : len(shown)] if is_first else values[..., shown]
    if samples.kind != EIGHT_BITS or EIGHT_BITS in pixels.ranges or samples.inverted:
        colours = _scale(colours, pixels.ranges.get(samples.kind, (0.0, 255.0)), samples)
    rgb = np.broadcast_to(colours, (*colours.shape[:2], 3))
    if not samples.alpha or pixels.bands or (samples.is_tiff and not pixels.tiff_alpha):
        return rgb
    rgba = Image.fromarray(np.dstack([rgb, opacity(values[..., -1])]))
    behind = Image.new("RGBA", rgba.size, (pixels.background,) * 3 + (255,))
    return np.asarray(Image.alpha_composite(behind, rgba).convert("RGB"))


def _scale(values: NDArray[Any], limits: tuple[float, float], samples: Samples) -> NDArray[np.uint8]:
    """Scale values to 0..255; what is not finite, or marked as absent, is black."""
    low, high = limits
    exact = values.astype(np.float64)
    known = samples.known(exact)
    scaled = (np.where(known, exact, low) - low) * (255 / (high - low))
    scaled = 255 - scaled if samples.inverted else scaled
    return np.where(known, scaled.round().clip(0, 255), 0).astype(np.uint8)


def opacity(alpha: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale transparency of any depth to 0 (transparent) .. 255."""
    most = 1.0 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).max
    return alpha if alpha.dtype == np.uint8 else (alpha / most * 255).round().clip(0, 255).astype(np.uint8)


def _turn(image: RGB, orientation: int) -> RGB:
    """Turn and mirror as the orientation of EXIF says, without a copy."""
    match orientation:
        case 2:
            return image[:, ::-1]
        case 3:
            return image[::-1, ::-1]
        case 4:
            return image[::-1]
        case 5:
            return image.transpose(1, 0, 2)
        case 6:
            return np.rot90(image, -1)
        case 7:
            return image[::-1, ::-1].transpose(1, 0, 2)
        case 8:
            return np.rot90(image)
    return image


def resize(image: RGB, size_px: int) -> RGB:
    """Resize to a square, antialiased bicubic; an image that is no square is stretched, so that nothing is cut off.

    Args:
        image: uint8 (height, width, 3).
        size_px: Side of the result.

    Returns:
        uint8 (size_px, size_px, 3).
    """
    if image.shape[:2] == (size_px, size_px):
        return image
    return np.asarray(Image.fromarray(image).resize((size_px, size_px), Image.Resampling.BICUBIC))


def thumbnail(image: RGB) -> NDArray[np.uint8]:
    """Shrink to the grey square by which near duplicates are found, uint8 (32, 32)."""
    height, width = image.shape[:2]
    grey = Image.new("L", (width, height))
    rows = max(1, BLOCK_PX // width)
    for y in range(0, height, rows):
        grey.paste(Image.fromarray(image[y : y + rows]).convert("L"), (0, y))
    return np.asarray(grey.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS))


def thumbnail_of(samples: Samples, pixels: Pixels) -> NDArray[np.uint8]:
    """Shrink an image that is too large for `thumbnail` to the same kind of grey square, strip by strip.

    Each pixel of a picture of at most 1,024 px a side is first the mean of those that fall into it.

    Raises:
        ImageError: As `render_window`.
    """
    width, height = samples.size_px
    columns, rows = min(width, 1024), min(height, 1024)
    edges_x = np.arange(columns + 1) * width // columns
    edges_y = np.arange(rows + 1) * height // rows
    small = np.empty((rows, columns), dtype=np.uint8)
    for row, (y0, y1) in enumerate(zip(edges_y[:-1].tolist(), edges_y[1:].tolist(), strict=True)):
        strip = np.asarray(Image.fromarray(render_window(samples, pixels, (0, y0, width, y1))).convert("L"))
        sums = np.add.reduceat(strip.sum(axis=0, dtype=np.int64), edges_x[:-1])
        small[row] = (sums / (np.diff(edges_x) * (y1 - y0))).round()
    grey = Image.fromarray(small)
    return np.asarray(grey.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS))


def encode_jpeg(image: RGB, quality: int) -> bytes:
    """Encode with loss, 4:2:0; equal pixels give equal bytes on one version of imagecodecs."""
    import imagecodecs

    return bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(image), level=quality, subsampling="420"))


def encode_png(image: RGB, compress_level: int = 3) -> bytes:
    """Encode losslessly; equal pixels give equal bytes on one version of Pillow."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=compress_level)
    return buffer.getvalue()
