import io
import struct
import zlib
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from counterpoise import images
from counterpoise.images import ImageError, Pixels, samples
from counterpoise.images.samples import EIGHT_BITS, FLOAT

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


def test_32_bit_greys_are_scaled_alike_and_clipped():
    pixels = np.array([[-5, 0, 257, 128 * 257 + 128, 65535, 10**6]], dtype=np.int32)
    found = images.decode(encoded(Image.fromarray(pixels), "TIFF"))
    assert found.tolist() == [[[v] * 3 for v in (0, 0, 1, 128, 255, 255)]]


def png(header: tuple[int, ...], pixels: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """Write a PNG by hand: width, height, bits, kind of colour; filtered rows; chunks in front of them."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", *header, 0, 0, 0)),
        *extra,
        (b"IDAT", zlib.compress(pixels)),
        (b"IEND", b""),
    ]
    body = b"".join(struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("kind", "pixel", "seen"),
    [
        (2, (0, 257, 65535), [0, 1, 255]),
        (4, (200 * 257, 65535), [200] * 3),
        (4, (200 * 257, 0), [0] * 3),
        (6, (100 * 257, 50 * 257, 0, 65535), [100, 50, 0]),
        (6, (100 * 257, 50 * 257, 0, 0), [0, 0, 0]),
    ],
    ids=["RGB", "grey, opaque", "grey, transparent", "RGBA, opaque", "RGBA, transparent"],
)
def test_16_bit_colours_and_transparency_are_scaled_too(kind, pixel, seen):
    assert images.decode(png((1, 1, 16, kind), b"\0" + struct.pack(f">{len(pixel)}H", *pixel))).tolist() == [[seen]]


def test_a_transparent_16_bit_grey_is_laid_on_black():
    pixels = b"\0" + struct.pack(">3H", 0, 257, 65535)
    found = images.decode(png((3, 1, 16, 0), pixels, (b"tRNS", struct.pack(">H", 65535))))
    assert found.tolist() == [[[0] * 3, [1] * 3, [0] * 3]]


def test_float_greys_are_scaled_from_the_range_of_the_data_set():
    found = Pixels({FLOAT: (-1.0, 1.0)})
    pixels = np.array([[-1.0, 0.0, 1.0, 2.0]], dtype=np.float32)
    data = encoded(Image.fromarray(pixels), "TIFF")
    assert images.decode(data, found).tolist() == [[[v] * 3 for v in (0, 128, 255, 255)]]
    dim = encoded(Image.fromarray(pixels / 2), "TIFF")
    assert images.decode(dim, found).tolist() == [[[v] * 3 for v in (64, 128, 191, 255)]]


def test_what_is_not_finite_in_float_greys_is_black():
    found = Pixels({FLOAT: (2.0, 4.0)})
    pixels = np.array([[np.nan, 2.0, 4.0, np.inf]], dtype=np.float32)
    data = encoded(Image.fromarray(pixels), "TIFF")
    assert images.decode(data, found).tolist() == [[[v] * 3 for v in (0, 0, 255, 0)]]
    nothing = np.full((2, 2), np.nan, dtype=np.float32)
    assert not images.decode(encoded(Image.fromarray(nothing), "TIFF"), found).any()


def test_values_of_a_kind_without_a_range_are_refused_with_the_way_out():
    with pytest.raises(ImageError, match=r"float ones .* no range is known; state ingest.pixel_range, or convert it"):
        images.decode(encoded(Image.fromarray(np.ones((2, 2), dtype=np.float32)), "TIFF"))


def test_a_stated_range_holds_for_8_bits_too():
    data = encoded(Image.fromarray(np.array([[10, 20, 30]], dtype=np.uint8)))
    found = Pixels({EIGHT_BITS: (10, 30)})
    assert images.decode(data, found).tolist() == [[[v] * 3 for v in (0, 128, 255)]]
    assert not images.is_as_shown(data, found)
    assert images.is_as_shown(data, Pixels({}))


def test_bands_are_picked_by_their_number_and_nothing_is_transparent_then():
    rgba = np.array([[[1, 2, 3, 0]]], dtype=np.uint8)
    data = encoded(Image.fromarray(rgba))
    assert images.decode(data, Pixels({}, (2, 1, 0))).tolist() == [[[3, 2, 1]]]
    assert images.decode(data, Pixels({}, (3,))).tolist() == [[[0, 0, 0]]]
    with pytest.raises(ImageError, match=r"it has 4 bands, numbered from 0; ingest.bands asks for band 5"):
        images.decode(data, Pixels({}, (5,)))


def test_transparent_parts_lie_on_the_background():
    strokes = np.array([[[0, 0, 0, 255], [0, 0, 0, 0]]], dtype=np.uint8)
    data, white = encoded(Image.fromarray(strokes)), Pixels({}, background=255)
    assert images.decode(data, white).tolist() == [[[0] * 3, [255] * 3]]
    assert images.decode(data).tolist() == [[[0] * 3, [0] * 3]]
    assert images.is_as_shown(data, Pixels({}))
    assert not images.is_as_shown(data, white)


def test_a_large_picture_is_made_of_windows_that_fit_together():
    pixels = RNG.integers(0, 65536, (1500, 900), dtype=np.uint16)
    with mock.patch.object(samples, "BLOCK_PX", 1000):
        found = images.decode(encoded(Image.fromarray(pixels), "TIFF"))
    assert (found == grey((pixels / 257).round().astype(np.uint8))).all()


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
    ("orientation", "turned"),
    [
        (1, COLOURS),
        (2, COLOURS[:, ::-1]),
        (3, COLOURS[::-1, ::-1]),
        (4, COLOURS[::-1]),
        (5, COLOURS.transpose(1, 0, 2)),
        (6, np.rot90(COLOURS, -1)),
        (7, COLOURS[::-1, ::-1].transpose(1, 0, 2)),
        (8, np.rot90(COLOURS)),
        (99, COLOURS),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_images_are_turned_as_exif_says(kind, orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert (images.decode(encoded(Image.fromarray(COLOURS), kind, exif=exif)) == turned).all()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_picture_counts(kind):
    first, second = Image.new("RGB", (4, 4), (255, 0, 0)), Image.new("RGB", (4, 4), (0, 0, 255))
    found = images.decode(encoded(first, kind, save_all=True, append_images=[second]))
    assert np.abs(found.astype(int) - [255, 0, 0]).max() <= 1
    assert found.shape == (4, 4, 3)


def test_a_program_is_never_run():
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    with pytest.raises(ImageError, match="a PostScript file, which is a program and not an image"):
        images.decode(program)


def test_an_empty_file_is_refused():
    with pytest.raises(ImageError, match="the file is empty"):
        images.decode(b"")


@pytest.mark.parametrize("data", [b"\0", b"image,label\na.png,roof\n"])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(ImageError, match="not an image in a known format"):
        images.decode(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"])
def test_a_truncated_image_is_refused(kind):
    data = encoded(Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)), kind)
    with pytest.raises(ImageError):
        images.decode(data[: len(data) // 2])


def png_of_size(width: int, height: int) -> bytes:
    return png((width, height, 8, 0), b"")


def test_a_decompression_bomb_is_refused_before_it_is_decoded():
    with pytest.raises(ImageError, match=r"40000 x 20000 px take \d\.\d GiB to decode, more than the 1\.5 GiB"):
        images.decode(png_of_size(40_000, 20_000))
    with pytest.raises(ImageError, match="decompression bomb"):
        images.decode(png_of_size(2**31 - 1, 2**31 - 1))
    with (
        mock.patch.object(PngImagePlugin.PngImageFile, "load", side_effect=AssertionError("pixels were decoded")),
        pytest.raises(ImageError, match="more than the"),
    ):
        images.decode(png((40_000, 20_000, 1, 0), bytes(5001 * 20_000)))


def test_large_images_below_our_own_limit_are_not_taken_for_bombs():
    with pytest.raises(ImageError, match=r"truncated|broken"):
        images.decode(png_of_size(20_000, 1))
    with pytest.raises(ImageError, match=r"truncated|broken"):
        images.decode(png_of_size(11_600, 8_700))  # 100 megapixels


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


def picture_or_reason(data: bytes) -> None:
    with mock.patch.object(samples, "MAX_IMAGE_BYTES", 2**24):  # a size that chance makes large would only take time
        try:
            found = images.decode(data)
        except ImageError:
            return
    assert found.dtype == np.uint8
    assert found.shape[2:] == (3,)


MAGIC = [
    b"",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"GIF89a",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"RIFF\0\0\0\0WEBP",
    b"P6 3 3 255 ",
]


@given(st.sampled_from(MAGIC), st.binary(max_size=300))
def test_any_bytes_give_a_picture_or_a_reason_and_nothing_else(magic, data):
    picture_or_reason(magic + data)


@given(
    header=st.tuples(
        st.integers(0, 40),
        st.integers(0, 40),
        st.sampled_from([1, 2, 4, 8, 16, 3]),
        st.sampled_from([0, 2, 3, 4, 6, 1]),
    ),
    extra=st.lists(
        st.tuples(
            st.sampled_from([b"PLTE", b"tRNS", b"eXIf", b"iCCP", b"gAMA", b"acTL", b"fcTL", b"zTXt", b"iTXt", b"pHYs"]),
            st.binary(max_size=40),
        ),
        max_size=3,
    ),
    pixels=st.binary(max_size=200),
)
def test_a_png_with_sound_checksums_and_odd_content_gives_a_picture_or_a_reason(header, extra, pixels):
    picture_or_reason(png(header, pixels, *extra))


PHOTOGRAPH = encoded(Image.fromarray(RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8)), "JPEG", exif=Image.Exif())


@given(st.lists(st.tuples(st.integers(2, len(PHOTOGRAPH) - 1), st.integers(0, 255)), min_size=1, max_size=20))
def test_a_mutated_photograph_gives_a_picture_or_a_reason(changes):
    data = bytearray(PHOTOGRAPH)
    for place, value in changes:
        data[place] = value
    picture_or_reason(bytes(data))


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


@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("PNG", "RGBA")]
)
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_decoding_fast_gives_the_same_picture(kind, mode, orientation, subsampling):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"subsampling": subsampling, "progressive": subsampling == 1} if kind == "JPEG" else {}
    picture = Image.fromarray(COLOURS.repeat(9, axis=0).repeat(7, axis=1)).convert(mode)
    data = encoded(picture, kind, exif=exif, **options)
    assert (images.decode_fast(data, Pixels({})) == images.decode(data, Pixels({}))).all()
    scaled = Pixels({EIGHT_BITS: (10, 200)})
    assert (images.decode_fast(data, scaled) == images.decode(data, scaled)).all()


def test_jpeg_is_close_to_the_picture_and_of_the_quality_that_pillow_means():
    smooth = np.add.outer(np.arange(64), np.arange(64))[..., None].repeat(3, axis=2).astype(np.uint8)
    data = images.encode_jpeg(smooth, 75)
    assert np.abs(images.decode(data).astype(int) - smooth).max() <= 4
    assert abs(len(data) - len(encoded(Image.fromarray(smooth), "JPEG", quality=75))) <= 32
