from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio import Affine

from counterpoise import images
from counterpoise.images import ImageError, Pixels, scenes

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (90, 130, 3), dtype=np.uint8)
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("PNG", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_windows_in_any_order_equal_the_picture_decoded_whole(tmp_path, kind, options, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "scene"
    Image.fromarray(COLOURS).save(path, kind, exif=exif, **options)
    whole = images.decode(path.read_bytes())
    with scenes.opened(path, rows_px=20) as scene:
        assert scene.size_px == whole.shape[1::-1]
        for y, x in ((0, 0), (0, 40), (15, 3), (60, 7), (10, 50), (40, 0)):
            assert (
                images.render_window(scene, Pixels(), (x, y, x + 20, y + 20)) == whole[y : y + 20, x : x + 20]
            ).all()


@settings(max_examples=100)
@given(st.integers(1, 8), st.data())
def test_a_window_of_the_turned_picture_is_found_in_the_file(orientation, data):
    from counterpoise.images import samples

    rows, columns = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12))
    pixels = RNG.integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    found = samples.Samples(
        "8 bits", rows, columns, 3, False, False, lambda y0, y1, x0, x1: pixels[y0:y1, x0:x1], orientation=orientation
    )
    whole = images.render(found, Pixels())
    height, width = whole.shape[:2]
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
    assert (images.render_window(found, Pixels(), (x0, y0, x1, y1)) == whole[y0:y1, x0:x1]).all()


def interlaced(path: Path) -> None:
    import pyvips

    pyvips.Image.new_from_array(COLOURS).pngsave(str(path), interlace=True)


def test_an_interlaced_png_is_converted(tmp_path):
    interlaced(tmp_path / "a.png")
    with scenes.opened(tmp_path / "a.png", rows_px=20) as scene:
        assert (images.render_window(scene, Pixels(), (30, 60, 50, 80)) == COLOURS[60:80, 30:50]).all()


def test_what_takes_too_much_to_convert_is_refused_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(scenes, "LARGE_BYTES", 1000)
    interlaced(tmp_path / "a.png")
    Image.fromarray(COLOURS).save(tmp_path / "b.jpg", progressive=True)
    for name in ("a.png", "b.jpg"):
        with (
            pytest.raises(ImageError, match=r"130 x 90 px in a progressive JPEG or an interlaced PNG.*save it as"),
            scenes.opened(tmp_path / name, rows_px=20),
        ):
            pass


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("tiled", [False, True])
def test_a_geotiff_has_its_bands_values_and_nodata(tmp_path, dtype, tiled):
    values = RNG.integers(0, 200, (4, 96, 128)).astype(dtype)
    options: dict[str, Any] = {"tiled": True, "blockxsize": 32, "blockysize": 32} if tiled else {}
    place = {"crs": "EPSG:32633", "transform": Affine(0.1, 0.0, 5e5, 0.0, -0.1, 5e6), "nodata": 7}
    path = tmp_path / "a.tif"
    with rasterio.open(path, "w", "GTiff", 128, 96, 4, dtype=dtype, **place, **options) as file:
        file.write(values)
    with scenes.opened(path, rows_px=20) as scene:
        assert (scene.size_px, scene.bands, scene.absent) == ((128, 96), 4, 7)
        for y in (0, 30, 60, 2):  # full rows, fewer than those of a block
            assert (scene.window(y, y + 9, 0, 128) == np.moveaxis(values, 0, -1)[y : y + 9]).all()
        assert (scene.window(10, 40, 5, 60) == np.moveaxis(values, 0, -1)[10:40, 5:60]).all()
        shown = Pixels({"integer": (0, 255), "float": (0, 255)}, (3, 2, 0))
        piece = images.render_window(scene, shown, (5, 10, 60, 40))
        expected = np.moveaxis(values, 0, -1)[10:40, 5:60][..., [3, 2, 0]]
        assert (piece == np.where((expected == 7) & (dtype != "uint8"), 0, expected)).all()


@pytest.mark.parametrize("step", [1, 5, 8, 11])
def test_each_row_of_blocks_is_decoded_once_from_top_to_bottom(step):
    values, reads = RNG.integers(0, 99, (61, 10, 2)), []

    def read(y0, y1, x0, x1):
        reads.append((y0, y1))
        return values[y0:y1, x0:x1]

    window = scenes._by_rows_of_blocks(read, 10, 61, 16)
    for y in range(0, 61, step):
        assert (window(y, min(y + step, 61), 0, 10) == values[y : y + step]).all()
    assert reads == [(0, 16), (16, 32), (32, 48), (48, 61)]
    for y in RNG.integers(0, 50, 40).tolist():
        assert (window(y, y + 11, 0, 10) == values[y : y + 11]).all()


def test_windows_of_a_geotiff_are_the_same_with_a_cache_of_a_part_of_its_blocks(tmp_path):
    values = RNG.integers(0, 255, (3, 700, 900), dtype=np.uint8)
    path, options = tmp_path / "a.tif", {"tiled": True, "blockxsize": 256, "blockysize": 256, "crs": "EPSG:32633"}
    with rasterio.open(
        path, "w", "GTiff", 900, 700, 3, dtype="uint8", transform=Affine(1.0, 0.0, 0.0, 0.0, -1.0, 9.0), **options
    ) as file:
        file.write(values)
    with scenes.opened(path, rows_px=200, cache_bytes=2**20) as scene:
        for y, x in ((0, 0), (190, 700), (500, 0), (200, 30)):
            assert (scene.window(y, y + 200, x, x + 200) == np.moveaxis(values, 0, -1)[y : y + 200, x : x + 200]).all()


def test_only_what_takes_much_memory_is_large(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.fromarray(COLOURS).save(path)
    cost, is_large = scenes.measure(path)
    assert cost > COLOURS.size
    assert not is_large
    monkeypatch.setattr(scenes, "LARGE_BYTES", cost - 1)
    assert scenes.measure(path) == (cost, True)
    Image.fromarray(COLOURS).save(tmp_path / "a.bmp")
    assert not scenes.measure(tmp_path / "a.bmp")[1]


@pytest.mark.parametrize(("package", "extra"), [("pyvips", "scenes"), ("rasterio", "geo")])
def test_a_missing_package_is_named_with_its_extra(tmp_path, package, extra):
    path = tmp_path / "a.tif"
    options = {"crs": "EPSG:32633", "transform": Affine(1.0, 0.0, 0.0, 0.0, -1.0, 9.0)} if package == "rasterio" else {}
    if options:
        with rasterio.open(path, "w", "GTiff", 16, 16, 1, dtype="uint8", **options) as file:
            file.write(np.zeros((1, 16, 16), dtype=np.uint8))
    else:
        Image.fromarray(COLOURS).save(path)
    with (
        mock.patch.dict("sys.modules", {package: None}),
        pytest.raises(ImageError, match=rf"{package} is missing; run `pip install 'counterpoise\[{extra}\]'`"),
        scenes.opened(path, rows_px=20),
    ):
        pass


def test_a_truncated_scene_is_refused(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(COLOURS).save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ImageError), scenes.opened(path, rows_px=20) as scene:
        images.render_window(scene, Pixels(), (0, 70, 20, 90))


def test_the_thumbnail_of_a_scene_is_that_of_the_picture(tmp_path):
    ramp = np.add.outer(np.arange(1500) // 20, np.arange(1200) // 9).astype(np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(ramp).save(path)
    with scenes.opened(path, rows_px=64) as scene:
        found = images.thumbnail_of(scene, Pixels())
    assert np.abs(found.astype(int) - images.thumbnail(images.decode(path.read_bytes()))).max() <= 1
