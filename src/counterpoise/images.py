"""From encoded bytes to 8-bit RGB arrays, and from those to what a network takes."""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

RGB = NDArray[np.uint8]
THUMBNAIL_PX = 32
MAX_PIXELS = 512 * 2**20
"""Images with more pixels are refused: decoding one would take more than 1.5 GiB."""
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow's own limit is a third of it


class ImageError(ValueError):
    """An image cannot be decoded; the message is the reason, in words for the user."""


def decode(data: bytes) -> RGB:
    """Decode an image file as a person would see it: rotated as EXIF says, 8-bit RGB.

    Greys of 16 and more bits are scaled to 0..255 by 1 / 257, float greys from their own range (what is not finite
    is black), palettes and CMYK are converted, transparency is laid on black, and of an animation the first picture
    counts.

    Args:
        data: The bytes of the file, of any format that Pillow reads.

    Returns:
        uint8 (height, width, 3).

    Raises:
        ImageError: The bytes are empty, truncated, no image, a program that draws one, or a picture of more than
            `MAX_PIXELS`.
    """
    if not data:
        raise ImageError("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns at a limit lower than ours, and about odd metadata
            with Image.open(io.BytesIO(data)) as image:
                if image.format == "EPS":  # Pillow would run it, by a Ghostscript of whatever version there is
                    raise ImageError("PostScript is a program and no picture; convert it to PNG")
                if image.width * image.height > MAX_PIXELS:
                    raise ImageError(f"{image.width} x {image.height} px are more than {MAX_PIXELS} pixels")
                image.load()
                return np.asarray(_as_rgb(ImageOps.exif_transpose(image)))
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError("not an image in a known format") from error
    except Exception as error:  # Pillow's decoders raise whatever damaged bytes lead them to
        raise ImageError(f"cannot be decoded: {error}") from error


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float64)
        if isinstance(transparent := image.info.get("transparency"), int):
            values[values == transparent] = 0
        return _from_grey(values / 257)
    if image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        known = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
        low, high = float(known.min()), float(known.max())
        values = np.where(np.isfinite(values), values, low)
        return _from_grey((values - low) / max(high - low, 1e-12) * 255)
    if "transparency" in image.info or "A" in image.mode or "a" in image.mode:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba).convert("RGB")
    return image.convert("RGB")


def _from_grey(values: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8)).convert("RGB")


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
    grey = Image.fromarray(image).convert("L")
    return np.asarray(grey.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS))


def encode_png(image: RGB) -> bytes:
    """Encode losslessly; equal pixels give equal bytes on one version of Pillow."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()
