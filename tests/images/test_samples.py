import io
import threading
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from counterpoise import images
from counterpoise.images import Pixels, samples
from counterpoise.images.budget import Budget
from counterpoise.images.samples import EIGHT_BITS, FLOAT, INTEGER, ImageError


def tiff(values: NDArray[Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def everything(found: samples.Samples) -> NDArray[Any]:
    return found.window(0, found.height, 0, found.width)


GREY = np.arange(12).reshape(3, 4)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "zstd"])
@pytest.mark.parametrize("dtype", ["uint16", "int16", "uint32", "int32", "int8", "float16", "float32", "float64"])
def test_a_tiff_of_any_depth_byte_order_and_compression_gives_its_values(dtype, compression, order):
    values = GREY.astype(dtype)
    found = samples.read(tiff(values, byteorder=order, compression=compression))
    assert (everything(found)[..., 0] == values).all()
    assert found.kind == (FLOAT if dtype.startswith("float") else INTEGER)
    assert (found.bands, found.alpha) == (1, False)


@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("bands", [3, 4, 6])
def test_a_tiff_keeps_all_its_bands(bands, dtype, planes):
    values = np.arange(3 * 4 * bands).reshape(3, 4, bands).astype(dtype)
    stored = np.moveaxis(values, -1, 0) if planes == "separate" else values
    found = samples.read(
        tiff(stored, photometric="rgb", planarconfig=planes, extrasamples=["unspecified"] * (bands - 3))
    )
    if bands > 3 or dtype != "uint8":
        assert (everything(found) == values).all()
    assert not found.alpha
    pixels = Pixels({INTEGER: (0, 255), FLOAT: (0, 255)}, (bands - 1,))
    shown = images.decode(tiff(stored, photometric="rgb", planarconfig=planes), pixels)
    assert (shown == values[..., -1:].astype(np.uint8)).all()


def test_transparency_of_a_tiff_is_what_the_file_says():
    rgba = np.full((2, 2, 4), 40, dtype=np.uint8)
    for says, alpha in (("unassalpha", True), ("assocalpha", True), ("unspecified", False)):
        data = tiff(rgba, photometric="rgb", extrasamples=[says])
        assert samples.read(data).alpha == alpha
        assert (images.decode(data, Pixels({}, tiff_alpha=False)) == 40).all()
        assert not samples.is_plain(data)


def test_low_values_are_white_where_a_tiff_says_so():
    data = tiff(np.array([[0, 4095]], dtype=np.uint16), photometric="miniswhite")
    assert images.decode(data, Pixels({INTEGER: (0, 4095)})).tolist() == [[[255] * 3, [0] * 3]]


def test_the_value_that_stands_for_none_is_black():
    data = tiff(np.array([[-9999.0, 0.0, 1.0]], dtype=np.float32), extratags=[(42113, "s", 0, "-9999", False)])
    assert samples.read(data).absent == -9999
    assert images.decode(data, Pixels({FLOAT: (-1.0, 1.0)})).tolist() == [[[0] * 3, [128] * 3, [255] * 3]]


def test_a_deep_tiff_is_turned_as_exif_says():
    values = GREY.astype(np.uint16)
    found = samples.read(tiff(values, extratags=[(274, "H", 1, 6, False)]))
    assert found.size_px == (3, 4)
    assert (images.render(found, Pixels({INTEGER: (0, 255)}))[..., 0] == np.rot90(values, -1)).all()


def test_a_deep_png_is_turned_as_exif_says():
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.fromarray(GREY.astype(np.uint16)).save(buffer, "PNG", exif=exif)
    shown = images.decode(buffer.getvalue(), Pixels({INTEGER: (0, 255)}))
    assert (shown[..., 0] == np.rot90(GREY, -1)).all()


@pytest.mark.parametrize("codecformat", ["jp2", "j2k"])
def test_colours_of_jpeg_2000_keep_all_their_bits(codecformat):
    values = np.random.default_rng(0).integers(0, 4096, (20, 30, 3), dtype=np.uint16)
    data = bytes(imagecodecs.jpeg2k_encode(values, codecformat=codecformat, reversible=True))
    found = samples.read(data)
    assert (everything(found) == values).all()
    assert (found.kind, found.alpha) == (INTEGER, False)
    assert not samples.is_plain(data)
    shown = bytes(imagecodecs.jpeg2k_encode((values // 16).astype(np.uint8), codecformat=codecformat, reversible=True))
    assert samples.read(shown).kind == EIGHT_BITS
    assert samples.is_plain(shown)


def test_a_tiff_of_complex_numbers_or_of_a_stack_is_refused_in_words():
    with pytest.raises(ImageError, match="a TIFF whose values are complex64; expected integers or floating point"):
        samples.read(tiff(np.ones((2, 2), dtype=np.complex64)))
    with pytest.raises(ImageError, match="expected one picture"):
        samples.read(
            tiff(np.ones((4, 16, 16), dtype=np.uint16), photometric="minisblack", volumetric=True, tile=(4, 16, 16))
        )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM", "JPEG2000"])
def test_8_bit_files_are_plain(kind):
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), 7, dtype=np.uint8)).save(buffer, kind)
    assert samples.is_plain(buffer.getvalue())
    assert samples.read(buffer.getvalue()).kind == EIGHT_BITS


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM", "JPEG2000"])
def test_16_bit_files_are_not(kind):
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4), 1000, dtype=np.uint16)).save(buffer, kind)
    assert not samples.is_plain(buffer.getvalue())
    found = samples.read(buffer.getvalue())
    assert (found.kind, int(everything(found)[0, 0, 0])) == (INTEGER, 1000)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "Git LFS pointer, .* `git lfs pull`"),
        (b"<?xml version='1.0'?><svg/>", "SVG drawing"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"%PDF-1.7\n", "PDF"),
        (bytes(128) + b"DICM", "DICOM"),
    ],
)
def test_what_people_take_for_an_image_is_named(data, words):
    with pytest.raises(ImageError, match=words):
        samples.read(data)


def test_a_deep_tiff_is_refused_before_it_is_decoded(monkeypatch):
    data = tiff(np.zeros((400, 400, 6), dtype=np.float64), compression="deflate", photometric="rgb")
    monkeypatch.setattr(samples, "MAX_IMAGE_BYTES", 2**20)
    with pytest.raises(ImageError, match=r"400 x 400 px take 0\.0 GiB to decode, more than the"):
        samples.read(data)


def test_threads_wait_until_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.png"
    Image.new("L", (1000, 1000)).save(path)
    budget = Budget(10_000_000)  # one image takes 8 million bytes
    monkeypatch.setattr(samples, "_BUDGET", budget)
    entered, leave = threading.Event(), threading.Event()

    def second() -> None:
        with samples.room_for(path):
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=second)
    with samples.room_for(path):
        assert 1_000_000 < budget.free < 2_100_000
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(10)
    leave.set()
    thread.join()
    assert budget.free == 10_000_000


def test_an_image_that_fits_alone_fits_into_what_all_threads_share():
    assert samples.MAX_IMAGE_BYTES <= samples.MAX_SHARED_BYTES


def test_there_is_room_again_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.png"
    Image.new("L", (10, 10)).save(path)
    budget = Budget(1000_000)
    monkeypatch.setattr(samples, "_BUDGET", budget)
    with pytest.raises(ValueError, match="odd"), samples.room_for(path):
        raise ValueError("odd")
    assert budget.free == 1000_000


@pytest.mark.parametrize("cut", [10, 60, 200, 900])
def test_a_damaged_deep_tiff_gives_a_reason(cut):
    data = tiff(np.arange(400, dtype=np.uint16).reshape(20, 20), compression="deflate")
    with pytest.raises(ImageError):
        images.decode(data[: min(cut, len(data) - 30)])


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path):
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        file.truncate(samples.MAX_IMAGE_BYTES + 1)
    with (
        pytest.raises(ImageError, match=r"a file of 1\.5 GiB, more than the 1\.5 an image may take"),
        samples.room_for(path),
    ):
        pass
