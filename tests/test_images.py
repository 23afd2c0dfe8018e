import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from counterpoise import images
from counterpoise.images import ImageError

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (6, 4, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def grey(image: NDArray[np.uint8]) -> images.RGB:
    return np.stack([image] * 3, axis=2)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_colours_come_back_as_they_are(kind):
    found = images.decode(encoded(Image.fromarray(COLOURS), kind))
    assert found.dtype == np.uint8
    assert (found == COLOURS).all()


def test_png_of_an_array_is_read_back_and_equal_pixels_are_equal_bytes():
    data = images.encode_png(COLOURS)
    assert (images.decode(data) == COLOURS).all()
    assert images.encode_png(COLOURS.copy()) == data
    assert images.encode_png(np.ascontiguousarray(COLOURS[::2])) == images.encode_png(COLOURS[::2])


def test_transparency_is_laid_on_black():
    pixels = np.array([[[200, 100, 50, 255], [200, 100, 50, 0], [200, 100, 50, 51]]], dtype=np.uint8)
    assert images.decode(encoded(Image.fromarray(pixels))).tolist() == [[[200, 100, 50], [0, 0, 0], [40, 20, 10]]]


def test_grey_with_transparency_is_laid_on_black():
    pixels = np.array([[[200, 255], [200, 0]]], dtype=np.uint8)
    assert images.decode(encoded(Image.fromarray(pixels, "LA"))).tolist() == [[[200] * 3, [0] * 3]]


def test_a_transparent_entry_of_a_palette_is_laid_on_black():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 250, 250, 250])
    image.putpixel((1, 0), 1)
    expected = [[[10, 20, 30], [250, 250, 250]]]
    assert images.decode(encoded(image)).tolist() == expected
    for transparency in (1, bytes([255, 0])):
        found = images.decode(encoded(image, transparency=transparency)).tolist()
        assert found == [[[10, 20, 30], [0, 0, 0]]]


def test_a_transparent_colour_without_alpha_is_laid_on_black():
    image = Image.fromarray(np.array([[[9, 9, 9], [200, 100, 50]]], dtype=np.uint8))
    assert images.decode(encoded(image, transparency=(200, 100, 50))).tolist() == [[[9, 9, 9], [0, 0, 0]]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_greys_are_scaled_and_not_clipped(kind):
    pixels = np.array([[0, 257, 128 * 257, 65535]], dtype=np.uint16)
    assert images.decode(encoded(Image.fromarray(pixels), kind)).tolist() == [[[v] * 3 for v in (0, 1, 128, 255)]]


def test_float_greys_are_scaled_from_their_own_range():
    pixels = np.array([[-1.0, 0.0, 1.0]], dtype=np.float32)
    assert images.decode(encoded(Image.fromarray(pixels), "TIFF")).tolist() == [[[v] * 3 for v in (0, 127, 255)]]


def test_what_is_not_finite_in_float_greys_is_black():
    pixels = np.array([[np.nan, 2.0, 4.0, np.inf]], dtype=np.float32)
    assert images.decode(encoded(Image.fromarray(pixels), "TIFF")).tolist() == [[[v] * 3 for v in (0, 0, 255, 0)]]
    nothing = np.full((2, 2), np.nan, dtype=np.float32)
    assert not images.decode(encoded(Image.fromarray(nothing), "TIFF")).any()


def test_a_constant_float_picture_is_black_and_no_error():
    assert not images.decode(encoded(Image.fromarray(np.full((2, 2), 7.0, dtype=np.float32)), "TIFF")).any()


def test_one_bit_is_black_and_white():
    pixels = np.array([[True, False, True]])
    assert images.decode(encoded(Image.fromarray(pixels))).tolist() == [[[255] * 3, [0] * 3, [255] * 3]]


def test_8_bit_grey_becomes_three_equal_channels():
    assert (images.decode(encoded(Image.fromarray(COLOURS[..., 0]))) == grey(COLOURS[..., 0])).all()


def test_cmyk_is_converted():
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    found = images.decode(encoded(red, "JPEG", quality=95))
    assert np.abs(found.astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize(
    ("orientation", "turned"), [(1, COLOURS), (3, COLOURS[::-1, ::-1]), (6, np.rot90(COLOURS, -1))]
)
def test_images_are_turned_as_exif_says(orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert (images.decode(encoded(Image.fromarray(COLOURS), exif=exif)) == turned).all()


def test_of_an_animation_the_first_picture_counts():
    first, second = Image.new("RGB", (4, 4), (255, 0, 0)), Image.new("RGB", (4, 4), (0, 0, 255))
    found = images.decode(encoded(first, "GIF", save_all=True, append_images=[second]))
    assert (found == [255, 0, 0]).all()
    assert found.shape == (4, 4, 3)


def test_an_empty_file_is_refused():
    with pytest.raises(ImageError, match="the file is empty"):
        images.decode(b"")


@pytest.mark.parametrize("data", [b"\0", b"image,label\na.png,roof\n", b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(ImageError, match="not an image in a known format"):
        images.decode(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"])
def test_a_truncated_image_is_refused(kind):
    data = encoded(Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)), kind)
    with pytest.raises(ImageError):
        images.decode(data[: len(data) // 2])


def png_of_size(width: int, height: int) -> bytes:
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    ]
    body = b"".join(struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def test_a_decompression_bomb_is_refused_before_it_is_decoded():
    with pytest.raises(ImageError, match=r"40000 x 20000 px are more than \d+ pixels"):
        images.decode(png_of_size(40_000, 20_000))
    with pytest.raises(ImageError, match="decompression bomb"):
        images.decode(png_of_size(2**31 - 1, 2**31 - 1))


def test_large_images_below_our_own_limit_are_not_taken_for_bombs():
    with pytest.raises(ImageError, match=r"truncated|broken"):
        images.decode(png_of_size(20_000, 1))
    assert images.MAX_PIXELS > 20_000 * 20_000
    with Image.open(io.BytesIO(png_of_size(20_000, 20_000))) as image:
        assert image.size == (20_000, 20_000)


SEEDS = [
    encoded(Image.fromarray(COLOURS), kind)
    for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "PPM", "DDS", "SGI", "PCX", "TGA", "JPEG2000")
]


@settings(max_examples=300)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
    st.integers(0, 900),
)
def test_damaged_bytes_give_a_picture_or_a_reason_and_nothing_else(seed, changes, kept):
    data = bytearray(seed)
    for place, value in changes:
        data[place % len(data)] = value
    try:
        found = images.decode(bytes(data[: kept or None]))
    except ImageError:
        return
    assert found.dtype == np.uint8
    assert found.shape[2:] == (3,)


def test_resizing_to_the_same_size_changes_nothing():
    square = COLOURS[:4]
    assert (images.resize(square, 4) == square).all()


def test_resizing_stretches_and_keeps_a_constant_picture():
    wide = np.full((2, 8, 3), (10, 200, 30), dtype=np.uint8)
    found = images.resize(wide, 5)
    assert found.shape == (5, 5, 3)
    assert (found == [10, 200, 30]).all()


def test_shrinking_is_antialiased():
    stripes = grey(np.tile(np.array([[0, 255]], dtype=np.uint8), (64, 32)))
    assert np.abs(images.resize(stripes, 8).astype(int)[:, 1:-1] - 127.5).max() < 8


def test_a_thumbnail_is_a_small_grey_square():
    found = images.thumbnail(np.full((100, 300, 3), (255, 0, 0), dtype=np.uint8))
    assert found.shape == (32, 32)
    assert found.dtype == np.uint8
    assert (found == 76).all()  # ITU-R 601: 0.299 * 255
