import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from counterpoise import config, images, storage
from counterpoise.artifacts import boxes, manifest, splits, tile_boxes, tiles
from counterpoise.artifacts import pixels as pixels_file
from counterpoise.config import InputError
from counterpoise.dataset import blocks
from counterpoise.images import scenes
from counterpoise.stages import tile


def section(**values: Any) -> tile.Tile:
    """Give section `tile` with what a test leaves out as in `params.yaml`, but for the sizes."""
    whole = config.load(Path(__file__).parents[2])["tile"]
    return config.validate(tile.Tile, {**whole, "size_px": 16, "overlap_px": 4, **values}, "tile")


PARAMS = tile.Params(tile=section())
SIZES = {"large": (40, 20), "odd": (17, 16), "small": (10, 12), "square": (16, 16), "unused": (16, 16), "wide": (33, 8)}
SPLITS = {"large": "train", "odd": "val", "small": "train", "square": "test", "unused": "unused", "wide": "test"}


def pixels(name: str) -> images.RGB:
    width, height = SIZES[name]
    return np.random.default_rng(len(name)).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def root(tmp_path):
    rows = []
    for name, (width, height) in SIZES.items():
        path = tmp_path / f"raw/{name}.bmp"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels(name)).save(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append((name, f"raw/{name}.bmp", *[f"label of {name}"] * 2, name, "", width, height, digest))
    manifest.write(tmp_path, pd.DataFrame(rows, columns=list(manifest.COLUMNS)))
    pixels_file.write(tmp_path, images.Pixels({}))
    boxes.write(tmp_path, pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in boxes.COLUMNS.items()}))
    splits.write(tmp_path, pd.DataFrame({"image_id": SPLITS.keys(), "split": SPLITS.values()}))
    return tmp_path


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted((root / tiles.FOLDER).rglob("*")) if path.is_file()}


def test_an_image_within_one_tile_is_copied_byte_for_byte(root):
    tile.main(root, PARAMS)
    for split, name in (("train", "small"), ("test", "square")):
        found = tiles.read(root, split)
        row = found.table["tile_id"].tolist().index(name)
        assert found.load(row) == (root / f"raw/{name}.bmp").read_bytes()
        windows = found.table[["x0_px", "y0_px", "x1_px", "y1_px"]].to_numpy()
        assert windows[row].tolist() == [0, 0, *SIZES[name]]


def test_windows_hold_the_pixels_of_their_place(root):
    tile.main(root, PARAMS)
    count = 0
    for split in splits.NAMES:
        found = tiles.read(root, split)
        for row, (image_id, x0, y0, x1, y1) in enumerate(
            found.table[["image_id", "x0_px", "y0_px", "x1_px", "y1_px"]].itertuples(index=False)
        ):
            assert (images.decode(found.load(row)) == pixels(image_id)[y0:y1, x0:x1]).all()
            count += 1
    assert count == 6 + 2 + 1 + 1 + 3  # large (3 x 2), odd, small, square, wide


def test_every_pixel_of_every_used_image_lies_in_a_tile(root):
    tile.main(root, PARAMS)
    table = pd.concat([tiles.read(root, split).table for split in splits.NAMES])
    for name, (width, height) in SIZES.items():
        covered = np.zeros((height, width), dtype=bool)
        for x0, y0, x1, y1 in table.loc[table["image_id"] == name, ["x0_px", "y0_px", "x1_px", "y1_px"]].to_numpy():
            covered[y0:y1, x0:x1] = True
        assert covered.all() == (name != "unused")


def test_tiles_inherit_their_images_split_and_labels(root):
    tile.main(root, PARAMS)
    for split in splits.NAMES:
        table = tiles.read(root, split).table
        assert set(table["image_id"]) == {name for name, its_split in SPLITS.items() if its_split == split}
        assert table["labels"].tolist() == [f"label of {name}" for name in table["image_id"]]


def test_tiles_are_named_after_image_and_place_in_the_order_of_the_manifest(root):
    tile.main(root, PARAMS)
    assert tiles.read(root, "train").table["tile_id"].tolist() == [
        *(f"large@{x0},{y0}" for y0 in (0, 4) for x0 in (0, 12, 24)),
        "small",
    ]


def test_two_runs_write_the_same_bytes(root):
    tile.main(root, PARAMS)
    first = contents(root)
    tile.main(root, PARAMS)
    assert contents(root) == first
    assert len(first) == 4 * len(splits.NAMES)


def test_portions_give_the_same_bytes(root, in_portions):
    tile.main(root, PARAMS)
    whole = contents(root)
    in_portions()
    tile.main(root, PARAMS)
    assert contents(root) == whole


def test_what_is_wrong_in_a_portion_is_said_in_the_same_words(root, in_portions):
    (root / "raw/small.bmp").unlink()
    in_portions()
    with pytest.raises(InputError, match=r"raw/small.bmp: the image has been removed since ingest read it"):
        tile.main(root, PARAMS)


def test_windows_of_a_turned_photograph_are_cut_after_turning(root):
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    stored = pixels("large")
    Image.fromarray(stored).save(buffer, "PNG", exif=exif)
    row = pd.Series({"image_id": "a", "labels": "x", "width_px": 20, "height_px": 40})
    found = list(tile.cut([row], buffer.getvalue(), PARAMS.tile, images.Pixels()))
    upright = np.rot90(stored, -1)
    assert len(found) == 6
    for piece in found:
        x0, y0, x1, y1 = piece.window
        assert (images.decode(piece.data) == upright[y0:y1, x0:x1]).all()


def test_an_image_that_is_gone_or_changed_since_ingest_is_named(root):
    path = root / "raw/small.bmp"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"x")
    with pytest.raises(
        InputError, match=r"raw/small\.bmp: the image has changed since ingest read it; run `dvc repro`"
    ):
        tile.main(root, PARAMS)
    path.unlink()
    with pytest.raises(
        InputError, match=r"raw/small\.bmp: the image has been removed since ingest read it; run `dvc repro`"
    ):
        tile.main(root, PARAMS)
    assert not list((root / tiles.FOLDER).iterdir())
    path.write_bytes(data)
    tile.main(root, PARAMS)


def test_a_split_without_images_has_an_empty_index(root):
    splits.write(root, pd.DataFrame({"image_id": SPLITS.keys(), "split": "train"}))
    tile.main(root, PARAMS)
    assert len(tiles.read(root, "val").table) == 0


@pytest.mark.parametrize("overlap", [16, 17])
def test_an_overlap_as_large_as_the_tile_is_refused(root, overlap):
    with pytest.raises(InputError, match=r"tile\.overlap_px is \d+; expected a number below tile\.size_px, 16"):
        tile.main(root, tile.Params(tile=section(overlap_px=overlap)))


def test_sizes_have_ranges():
    for values in ({"size_px": 15, "overlap_px": 0}, {"size_px": 16, "overlap_px": -1}):
        with pytest.raises(InputError, match="expected a number of at least"):
            section(**values)


@pytest.mark.parametrize("size_px", [16, 64])
def test_pictures_of_other_values_are_stored_as_they_are_seen(size_px: int) -> None:
    deep = (np.arange(20 * 40).reshape(20, 40) * 5).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(deep).save(buffer, "PNG")
    found = images.Pixels({"integer": (0, 4095)})
    row = pd.Series({"image_id": "a", "labels": "x", "width_px": 40, "height_px": 20})
    whole = images.decode(buffer.getvalue(), found)
    for piece in tile.cut([row], buffer.getvalue(), section(size_px=size_px), found):
        x0, y0, x1, y1 = piece.window
        assert (images.decode(piece.data) == whole[y0:y1, x0:x1]).all()


def test_an_image_that_only_one_of_manifest_and_splits_has_is_named(root):
    whole = splits.read(root)
    splits.write(root, whole[:-1])
    with pytest.raises(storage.ArtifactError, match=r"splits\.csv lacks 1 of the \d that .*manifest\.csv names"):
        tile.main(root, PARAMS)
    splits.write(root, pd.concat([whole, pd.DataFrame({"image_id": ["new"], "split": ["val"]})], ignore_index=True))
    with pytest.raises(storage.ArtifactError, match=r"manifest\.csv lacks 1 of the \d that .*splits\.csv names: 'new'"):
        tile.main(root, PARAMS)


ROWS = [
    ("large", 0, "car", 1.0, 1.0, 9.0, 9.0, 0),  # whole in the first window
    ("large", 1, "roof", 10.5, 2.0, 30.5, 8.0, 0),  # wider than a window
    ("large", 2, "car", 15.0, 1.0, 25.0, 3.0, 0),  # 0.1 of it lies in the first window
    ("small", 0, "roof", 0.0, 0.0, 5.0, 5.0, 1),  # ignored everywhere
]


@pytest.fixture
def boxed(root):
    table = pd.DataFrame(
        [(image, box, label, label, *corners, ignore, "here") for image, box, label, *corners, ignore in ROWS],
        columns=list(boxes.COLUMNS),
    )
    boxes.write(root, table)
    return root


def test_boxes_are_cut_with_their_tiles_and_hardly_visible_ones_are_ignored(boxed, capsys):
    tile.main(boxed, PARAMS)
    found = tile_boxes.read(boxed, "train").set_index(["tile_id", "box"])
    first = found.loc["large@0,0"]
    assert first.loc[[0], ["x0_px", "y0_px", "x1_px", "y1_px", "visible_frac", "ignore"]].to_numpy().tolist() == [
        [1, 1, 9, 9, 1, 0]
    ]
    assert first.loc[[1], ["x0_px", "x1_px", "visible_frac", "ignore"]].to_numpy().tolist() == [[10.5, 16, 0.275, 1]]
    assert first.loc[[2], ["visible_frac", "ignore"]].to_numpy().tolist() == [[0.1, 1]]
    assert found.loc[("small", 0), "ignore"] == 1
    assert len(tile_boxes.read(boxed, "val")) == 0
    error = capsys.readouterr().err
    assert "1 of 3 boxes of train are whole in no tile; the largest of them is 20 px wide or high" in error


def test_labels_of_tiles_are_those_of_their_boxes(boxed):
    def labels_of(params: tile.Tile) -> dict[str, str]:
        tile.main(boxed, tile.Params(tile=params))
        table = tiles.read(boxed, "train").table
        return dict(zip(table["tile_id"], table["labels"], strict=True))

    found = labels_of(section())
    assert found == {
        **{"large@0,0": "car", "large@12,0": "car|roof", "large@24,0": "roof", "small": ""},
        **{"large@0,4": "car", "large@12,4": "roof", "large@24,4": ""},
    }
    assert labels_of(section(label_rule="count", min_count=2))["large@12,0"] == ""
    by_area = labels_of(section(label_rule="area_frac", min_area_frac=0.2))
    assert by_area["large@0,0"] == "car"
    assert by_area["large@12,0"] == "roof"


def test_a_box_of_an_image_that_is_not_in_the_manifest_is_named(boxed):
    table = boxes.read(boxed)
    boxes.write(boxed, table.assign(image_id="gone", box=range(4)))
    with pytest.raises(storage.ArtifactError, match=r"manifest\.csv lacks 1 of the 1 that .*boxes\.csv names: 'gone'"):
        tile.main(boxed, PARAMS)


def test_windows_that_are_read_one_by_one_give_the_same_tiles(root, monkeypatch):
    table = manifest.read(root)
    for name in SIZES:
        path = root / f"raw/{name}.bmp"
        Image.fromarray(pixels(name)).save(path, "PNG")
        table.loc[table["image_id"] == name, "sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write(root, table)
    tile.main(root, PARAMS)
    whole = {path: data for path, data in contents(root).items() if path.suffix == ".tar"}
    monkeypatch.setattr(scenes, "LARGE_BYTES", 4000)
    assert scenes.measure(root / "raw/large.bmp")[1]
    tile.main(root, PARAMS)
    assert {path: data for path, data in contents(root).items() if path.suffix == ".tar"} == whole
    (root / "raw/large.bmp").write_bytes((root / "raw/large.bmp").read_bytes() + b"x")
    with pytest.raises(InputError, match=r"raw/large\.bmp: the image has changed since ingest read it"):
        tile.main(root, PARAMS)


def test_windows_can_be_stored_as_jpeg(root):
    tile.main(root, tile.Params(tile=section(format="jpeg", quality=90)))
    found = tiles.read(root, "train")
    row = found.table["tile_id"].tolist().index("large@12,4")
    assert found.load(row).startswith(b"\xff\xd8")


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_no_two_tiles_on_two_sides_overlap_or_lie_closer_than_a_tile(tmp_path_factory, data):
    """Scenes of random sizes, blocks dealt at random: what the stage writes is checked, not what blocks compute."""
    root = tmp_path_factory.mktemp("blocks")
    size_px = data.draw(st.integers(16, 24))
    asked = section(size_px=size_px, overlap_px=data.draw(st.integers(0, size_px - 1)), format="png")
    sizes = data.draw(st.lists(st.tuples(st.integers(16, 112), st.integers(16, 112)), min_size=1, max_size=2))
    rows = []
    for number, (width, height) in enumerate(sizes):
        path = root / f"{number}.bmp"
        values = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
        Image.fromarray(values).save(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append((path.name, path.name, "", "", path.name, "", width, height, digest))
    table = pd.DataFrame(rows, columns=list(manifest.COLUMNS))
    units = pd.DataFrame({"image_id": table["image_id"], "unit": table["image_id"], "centre": table["image_id"]})
    nothing = np.empty((0, 2), dtype=np.int64)
    cut = blocks.divide(
        *(table, boxes.empty(), units, nothing, np.arange(len(table))), size_px=2 * size_px, guard_px=size_px
    )
    names = st.sampled_from((*splits.NAMES, "unused"))
    dealt = data.draw(st.lists(names, min_size=len(cut.table), max_size=len(cut.table)))
    manifest.write(root, table)
    pixels_file.write(root, images.Pixels({}))
    boxes.write(root, boxes.empty())
    splits.write(root, blocks.guard(cut.table, dealt, boxes.empty(), size_px))
    tile.main(root, tile.Params(tile=asked))
    found = pd.concat([tiles.read(root, name).table.assign(split=name) for name in splits.NAMES])
    found["scene"] = found["image_id"].str.rsplit("#", n=1).str[0]
    side_of = dict(zip(cut.table["image_id"], dealt, strict=True))
    assert [side_of[image_id] for image_id in found["image_id"]] == found["split"].tolist()
    assert set(found["image_id"]) == {image_id for image_id, side in side_of.items() if side != "unused"}
    for _, own in found.groupby("scene"):
        window, side = own[tile.CORNERS].to_numpy(), own["split"].to_numpy()
        gaps = np.maximum(window[:, None, :2] - window[None, :, 2:], window[None, :, :2] - window[:, None, 2:])
        assert (gaps.max(axis=2)[side[:, None] != side] >= size_px).all()


def test_tiles_of_blocks_hold_the_pixels_and_the_boxes_of_their_place(root):
    splits.write(
        root,
        pd.DataFrame(
            [
                *((f"{name}#0", "unused", name, "", 0, 0, *SIZES[name]) for name in SIZES if name != "large"),
                ("large#0", "train", "large", "car", 0, 0, 12, 20),
                ("large#1", "test", "large", "", 28, 0, 40, 20),
            ],
            columns=[*splits.COLUMNS, *splits.BLOCK_COLUMNS],
        ),
    )
    rows = [
        ("large", 0, "car", "car", 2.0, 3.0, 8.0, 9.0, 0, ""),
        ("large", 1, "car", "car", 9.0, 1.0, 14.0, 5.0, 0, ""),
    ]
    boxes.write(root, pd.DataFrame(rows, columns=list(boxes.COLUMNS)))
    tile.main(root, PARAMS)
    for split, image_id in (("train", "large#0"), ("test", "large#1")):
        found = tiles.read(root, split)
        assert set(found.table["image_id"]) == {image_id}
        for row, (x0, y0, x1, y1) in enumerate(found.table[tile.CORNERS].to_numpy().tolist()):
            assert (images.decode(found.load(row)) == pixels("large")[y0:y1, x0:x1]).all()
    shown = tile_boxes.read(root, "train")
    assert shown.loc[shown["tile_id"] == "large#0@0,0", "visible_frac"].tolist() == [1.0, 0.6]
    assert tile_boxes.read(root, "test").empty


def test_boxes_across_the_border_of_a_block_are_counted_apart():
    table = pd.DataFrame({"image_id": ["a#0"], "scene_id": ["a"], "x0_px": 0, "y0_px": 0, "x1_px": 20, "y1_px": 16})
    rows = [("a", 0, "car", "car", 17.0, 3.0, 22.0, 9.0, 0, ""), ("a", 1, "car", "car", 60.0, 1.0, 64.0, 5.0, 0, "")]
    found = pd.DataFrame(rows, columns=list(boxes.COLUMNS))
    assert list(tile.warn_of_cut(table, found, PARAMS.tile)) == [
        "1 box of train crosses the border of a block of split.blocks, so tiles show a part of each"
    ]
