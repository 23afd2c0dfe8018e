import io
from typing import Any, Literal

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from counterpoise import images
from counterpoise.dataset import pixels
from counterpoise.images import Pixels, samples
from counterpoise.images.samples import EIGHT_BITS, FLOAT, INTEGER

RAMP = np.tile(np.linspace(0, 1, 40), (40, 1))


def tiff(values: NDArray[Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def png(values: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def settle(
    *files: bytes,
    stated_range: tuple[float, float] | None = None,
    stated_bands: tuple[int, ...] = (),
    background: Literal["auto", "black", "white"] = "auto",
) -> Pixels:
    seen = [pixels.look(samples.read(data, stated_bands), stated_bands) for data in files]
    return pixels.settle(seen, stated_range=stated_range, stated_bands=stated_bands, background=background)


def test_8_bits_stay_as_they_are() -> None:
    found = settle(png((RAMP * 30).astype(np.uint8)), png(np.zeros((4, 4, 3), dtype=np.uint8)))
    assert found == Pixels({}, (), 0, True, "all images have 8 bits, 0 to 255 unchanged")


@pytest.mark.parametrize("write", [png, tiff])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_16_bits_get_the_range_of_the_bits_that_are_used(bits: int, write: Any) -> None:
    most = 2**bits - 1
    bright, dim = ((RAMP * high).astype(np.uint16) for high in (0.9 * most, 0.1 * most))
    found = settle(write(dim), write(bright))
    assert found.ranges == {INTEGER: (0, most)}
    assert images.decode(write(bright), found).max() == round(0.9 * most // 1 / most * 255)
    assert 24 <= images.decode(write(dim), found).max() <= 26
    assert (
        found.found
        == f"integers of more than 8 bits in 2 images, 0 (black) to {most} (white) as found over all of them"
    )


def test_integers_that_use_little_of_their_bits_are_stretched_from_lowest_to_highest() -> None:
    kelvin = [tiff((RAMP * 1000 + low).astype(np.uint16)) for low in (29_000, 30_000)]
    found = settle(*kelvin)
    assert found.ranges == {INTEGER: (29_000, 31_000)}
    assert [images.decode(data, found).max() for data in kelvin] == [128, 255]


def test_colours_of_12_bits_in_16_are_shown_too() -> None:
    colours = np.dstack([RAMP * 4095, RAMP * 0, RAMP * 2000]).astype(np.uint16)
    for data in (tiff(colours, photometric="rgb"), tiff(colours, photometric="rgb", compression="lzw", byteorder=">")):
        found = settle(data)
        assert found.ranges == {INTEGER: (0, 4095)}
        assert images.decode(data, found)[0, -1].tolist() == [255, 0, 125]


def test_signed_integers_are_seen_from_their_lowest_to_their_highest() -> None:
    for dtype in (np.int8, np.int16, np.int32):
        data = tiff((RAMP * 200 - 100).astype(dtype))
        found = settle(data)
        assert found.ranges == {INTEGER: (-100, 100)}
        assert images.decode(data, found)[0, [0, -1], 0].tolist() == [0, 255]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_level_of_floating_point_pictures_is_kept(dtype: str) -> None:
    bright, dim = (tiff((RAMP * high).astype(dtype)) for high in (1, 0.1))
    found = settle(bright, dim)
    assert found.ranges == {FLOAT: (0, 1)}
    assert [int(images.decode(data, found).max()) for data in (bright, dim)] == pytest.approx([255, 25.5], abs=0.5)


def test_what_is_no_number_and_what_stands_for_none_have_no_part_in_the_range() -> None:
    values = (RAMP * 5).astype(np.float32)
    values[0, :3] = np.nan, np.inf, -9999
    assert settle(tiff(values, extratags=[(42113, "s", 0, "-9999", False)])).ranges == {FLOAT: (0, 5)}
    values[0, 2] = np.finfo(np.float32).min
    assert settle(tiff(values)).ranges == {FLOAT: (0, 5)}
    assert settle(tiff(np.full((3, 3), np.nan, dtype=np.float32))).ranges == {FLOAT: (0, 1)}


@pytest.mark.parametrize(
    ("mark", "dtype", "most", "which"),
    [(-9999, np.float32, 1, "lowest"), (-32768, np.int16, 3000, "lowest"), (65535, np.uint16, 4000, "highest")],
)
def test_a_value_far_from_all_others_is_named_with_the_range_of_the_others(
    mark: float, dtype: Any, most: float, which: str
) -> None:
    values = (RAMP * most).astype(dtype)
    marked = values.copy()
    marked[:20, :30] = mark
    for files in ([marked], [values, marked]):
        found = settle(*(tiff(array) for array in files)).found
        assert f"the {which} value, {mark:g}, is far from all others" in found
        assert found.endswith(f"set ingest.pixel_range to [0, {most:g}]")
    assert "far from all others" not in settle(tiff(values)).found
    assert "far from all others" not in settle(tiff(np.where(RAMP < 0.5, 0, 3).astype(dtype))).found


def test_a_constant_picture_has_a_range_too() -> None:
    assert settle(tiff(np.full((3, 3), 7, dtype=np.float32))).ranges == {FLOAT: (7, 8)}
    assert settle(png(np.zeros((3, 3), dtype=np.uint16))).ranges == {INTEGER: (0, 1)}


def test_a_few_hot_pixels_of_a_large_picture_do_not_decide_the_range() -> None:
    values = np.resize(np.arange(4096, dtype=np.uint16), (700, 900))
    values[0, :5] = 65535
    assert settle(tiff(values)).ranges == {INTEGER: (0, 4095)}
    values[0, :50] = 65535
    assert settle(tiff(values)).ranges == {INTEGER: (0, 65535)}


def test_the_extremes_do_not_depend_on_the_windows_that_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiff(np.random.default_rng(0).normal(size=(500, 700)).astype(np.float32))
    whole = settle(data)
    monkeypatch.setattr(samples, "BLOCK_PX", 999)
    assert settle(data) == whole


def test_each_kind_of_values_has_a_range_of_its_own() -> None:
    files = png((RAMP * 255).astype(np.uint8)), tiff((RAMP * 4095).astype(np.uint16)), tiff(RAMP.astype(np.float32))
    found = settle(*files)
    assert found.ranges == {INTEGER: (0, 4095), FLOAT: (0, 1)}
    assert [images.decode(data, found).max() for data in files] == [255] * 3
    assert found.found.startswith("8 bits in 1 image, 0 to 255 unchanged; integers of more")


def test_a_stated_range_holds_for_every_kind() -> None:
    found = settle(png((RAMP * 40).astype(np.uint8)), stated_range=(0, 40))
    assert found.ranges == {EIGHT_BITS: (0, 40), INTEGER: (0, 40), FLOAT: (0, 40)}
    assert found.found == "values from 0 (black) to 40 (white), as ingest.pixel_range says"


INFRARED = np.dstack([np.full((9, 9), value, dtype=np.uint8) for value in (200, 100, 50, 40)])
MASKED = INFRARED.copy()
MASKED[..., 3] = 255
MASKED[:, 0, 3] = 0


@pytest.mark.parametrize("says", ["unassalpha", "assocalpha", "unspecified"])
def test_a_fourth_band_that_varies_is_no_transparency(says: str) -> None:
    data = tiff(INFRARED, photometric="rgb", extrasamples=[says])
    found = settle(data)
    assert (images.decode(data, found) == [200, 100, 50]).all()
    assert "used" in found.found
    assert "ingest.bands" in found.found


def test_a_fourth_band_of_a_tiff_is_transparency_where_it_is_a_mask() -> None:
    data = tiff(MASKED, photometric="rgb", extrasamples=["unassalpha"])
    found = settle(data)
    assert found.tiff_alpha
    assert images.decode(data, found)[0, :2].tolist() == [[0] * 3, [200, 100, 50]]


def test_one_picture_in_which_it_varies_decides_for_all() -> None:
    files = [tiff(array, photometric="rgb", extrasamples=["unassalpha"]) for array in (MASKED, INFRARED)]
    found = settle(*files)
    assert not found.tiff_alpha
    assert (images.decode(files[0], found) == [200, 100, 50]).all()


def test_a_band_that_would_hide_everything_is_no_transparency() -> None:
    nothing = MASKED.copy()
    nothing[..., 3] = 0
    assert not settle(tiff(nothing, photometric="rgb", extrasamples=["unassalpha"])).tiff_alpha


def test_a_mask_of_16_bits_is_transparency_too() -> None:
    deep = MASKED.astype(np.uint16) * 257
    found = settle(tiff(deep, photometric="rgb", extrasamples=["unassalpha"]))
    assert found.tiff_alpha
    assert found.ranges == {INTEGER: (0, 65535)}


def test_transparency_of_a_png_may_be_of_any_degree() -> None:
    found = settle(png(INFRARED))
    assert found.tiff_alpha
    assert images.decode(png(INFRARED), found)[0, 0].tolist() == [31, 16, 8]


def strokes(level: int, dtype: Any = np.uint8) -> bytes:
    values = np.zeros((8, 8, 4), dtype=dtype)
    values[2:4] = (level, level, level, np.iinfo(dtype).max)
    return png(values)


def test_dark_strokes_on_transparency_lie_on_white_and_bright_ones_on_black() -> None:
    assert settle(strokes(0), strokes(30)).background == 255
    assert settle(strokes(255)).background == 0
    assert settle(strokes(0), background="black").background == 0
    assert settle(strokes(255), background="white").background == 255
    assert settle(strokes(0)).found.endswith("transparent parts are white, since what can be seen is dark")
    shown = images.decode(strokes(0), settle(strokes(0)))
    assert (int(shown.min()), int(shown.max())) == (0, 255)


def test_an_opaque_dark_picture_has_no_background() -> None:
    opaque = np.zeros((8, 8, 4), dtype=np.uint8)
    opaque[..., 3] = 255
    assert settle(png(opaque)) == Pixels({}, (), 0, True, "all images have 8 bits, 0 to 255 unchanged")


def test_stated_bands_leave_no_transparency() -> None:
    data = tiff(MASKED, photometric="rgb", extrasamples=["unassalpha"])
    found = settle(data, stated_bands=(3, 0, 1))
    assert images.decode(data, found)[0, :2].tolist() == [[0, 200, 100], [255, 200, 100]]
    assert found.found.endswith("bands 3, 0, 1 are shown, as ingest.bands says")


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from([np.uint16, np.int16]),
    distinct=st.integers(1, 6),
    absent=st.sampled_from([None, 0.0, 3.0, -9999.0]),
    seed=st.integers(0, 1000),
)
def test_counted_values_have_the_ends_of_sorted_ones(
    dtype: Any, distinct: int, absent: float | None, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    limits = np.iinfo(dtype)
    some = rng.choice([limits.min, -9999 if limits.min else 1, 0, 3, 700, 701, limits.max], distinct)
    values = rng.choice(some, (400, 600, 2)).astype(dtype)  # 4 of 480,000 values are left out at either end
    values[0, :2] = rng.choice(some, (2, 2))
    found = samples.Samples(
        INTEGER, 400, 600, 2, False, True, lambda y0, y1, x0, x1: values[y0:y1, x0:x1], absent=absent
    )
    counted = pixels._count(found, [0, 1])
    assert counted is not None
    low, high = pixels._extremes(found, [0, 1])
    expected = low, high, *pixels._next_to(found, [0, 1], low, high)
    if np.isnan(low):
        expected = (np.nan,) * 4
    np.testing.assert_array_equal(pixels._ends_of(*counted, 400 * 600 * 2 // pixels.IGNORED), expected)
