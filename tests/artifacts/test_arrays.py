"""What the artifacts that hold arrays or bytes check beyond their shape, and how they lie on disk."""

import dataclasses
import tarfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from counterpoise import storage
from counterpoise.artifacts import clusters, draws, features, model, predictions, thumbnails, tiles
from counterpoise.storage import ArtifactError

INDEX = pd.DataFrame({"tile_id": ["a", "b"], "view": [0, 0]})
PREDICTIONS = predictions.Predictions(("a", "b"), ("a", "b"), ("x", "y"), ("x", "y"), np.eye(2, dtype=np.float32))


def tile(tile_id: str, data: bytes = b"bytes") -> tiles.Tile:
    return tiles.Tile(tile_id, tile_id, "x", (0, 0, 1, 1), data)


@pytest.mark.parametrize(
    "values",
    [np.zeros((3, 4), np.float32), np.zeros((2, 4), np.float64), np.zeros(2, np.float32)],
    ids=["rows", "type", "dimensions"],
)
def test_features_are_float32_with_a_row_for_each_of_the_index(tmp_path, values):
    with pytest.raises(ArtifactError, match=r"expected float32 \(2, d\)"):
        features.write(tmp_path, "train", features.Features(INDEX, values))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_are_finite(tmp_path, value):
    with pytest.raises(ArtifactError, match="not finite"):
        features.write(tmp_path, "train", features.Features(INDEX, np.full((2, 3), value, np.float32)))


def test_where_nothing_is_frozen_an_index_says_so(tmp_path):
    features.write(tmp_path, "train", None)
    assert features.read(tmp_path, "train") is None
    assert sorted(path.name for path in (tmp_path / features.path("train")).iterdir()) == ["embed.sums", "index.json"]


@pytest.mark.parametrize("index", ['{"frozen": true}', '{"frozen": true, "runtime": "abacus"}', '{"frozen": 1}'])
def test_features_whose_runtime_is_unknown_are_refused(tmp_path, sign, index):
    features.write(tmp_path, "train", features.Features(INDEX, np.ones((2, 3), np.float32), "onnxruntime"))
    (tmp_path / features.path("train") / "index.json").write_text(index)
    sign(tmp_path / features.path("train") / "index.json")
    with pytest.raises(ArtifactError, match=r"what computed it|expected one of"):
        features.read(tmp_path, "train")


def test_a_split_without_tiles_has_features_of_length_zero(tmp_path):
    empty = pd.DataFrame({"tile_id": pd.Series(dtype=object), "view": pd.Series(dtype="int64")})
    features.write(tmp_path, "val", features.Features(empty, np.zeros((0, 8), np.float32)))
    found = features.read(tmp_path, "val")
    assert found is not None
    assert found.values.shape == (0, 8)
    assert len(found.index) == 0


def test_features_are_mapped_and_not_loaded(tmp_path):
    features.write(tmp_path, "val", features.Features(INDEX, np.ones((2, 3), np.float32)))
    found = features.read(tmp_path, "val")
    assert found is not None
    assert isinstance(found.values, np.memmap)


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 32, 16), np.uint8), np.zeros((2, 16, 16), np.uint8), np.zeros(3, np.uint8), np.zeros((2, 32, 32))],
)
def test_thumbnails_are_squares_of_bytes_of_one_size(tmp_path, array):
    with pytest.raises(ArtifactError, match=r"expected uint8 \(n, 32, 32\)"):
        thumbnails.write(tmp_path, array)
    (tmp_path / "data").mkdir()
    np.save(tmp_path / thumbnails.PATH, array)
    storage.record(tmp_path / thumbnails.PATH, tmp_path / thumbnails.SUMS)
    with pytest.raises(ArtifactError, match=r"expected uint8 \(n, 32, 32\)"):
        thumbnails.read(tmp_path)


def test_thumbnails_of_other_images_than_the_manifests_are_refused(tmp_path):
    thumbnails.write(tmp_path, np.zeros((2, 32, 32), np.uint8))
    assert len(thumbnails.read(tmp_path, 2)) == 2
    with pytest.raises(ArtifactError, match=r"data/thumbnails\.npy: 2 pictures of 3 images; run `dvc repro`"):
        thumbnails.read(tmp_path, 3)


def test_arrays_of_objects_are_never_unpickled(tmp_path):
    (tmp_path / "data").mkdir()
    np.save(tmp_path / thumbnails.PATH, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    storage.record(tmp_path / thumbnails.PATH, tmp_path / thumbnails.SUMS)
    with pytest.raises(ArtifactError, match="damaged"):
        thumbnails.read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_ids": ("a", "a")}, "an image occurs twice"),
        ({"groups": ("a",)}, "groups or labels are missing"),
        ({"labels": ()}, "groups or labels are missing"),
        ({"logits": np.zeros((2, 3), np.float32)}, r"logits of shape \(2, 3\), expected \(2, 2\)"),
        ({"logits": np.full((2, 2), np.nan, np.float32)}, "the training diverged"),
        ({"logits": np.full((2, 2), np.inf, np.float32)}, "the training diverged"),
    ],
)
def test_predictions_fit_together_and_are_finite(tmp_path, changes, message):
    with pytest.raises(ArtifactError, match=message):
        predictions.write(tmp_path, "val", dataclasses.replace(PREDICTIONS, **changes))
    assert not (tmp_path / predictions.path("val")).exists()


def test_predictions_have_the_documented_columns(tmp_path):
    predictions.write(tmp_path, "val", PREDICTIONS)
    table = pq.read_table(tmp_path / predictions.path("val"))
    assert table.column_names == ["image_id", "group", "labels", "logit_x", "logit_y"]
    assert str(table.schema.field("logit_x").type) == "float"


@pytest.mark.parametrize("damage", ["group", "logit_y", "order", "all_logits"])
def test_predictions_with_other_columns_are_refused(tmp_path, sign, damage):
    predictions.write(tmp_path, "val", PREDICTIONS)
    path = tmp_path / predictions.path("val")
    table = pq.read_table(path)
    if damage == "order":
        table = table.select(table.column_names[::-1])
    elif damage == "all_logits":
        table = table.select(table.column_names[:3])
    elif damage == "logit_y":
        table = table.rename_columns([*table.column_names[:4], "y"])
    else:
        table = table.drop_columns([damage])
    pq.write_table(table, path)
    sign(path)
    with pytest.raises(ArtifactError, match="unexpected columns"):
        predictions.read(tmp_path, "val")


def test_a_tile_lies_where_the_index_says_and_where_tar_says(tmp_path):
    names = ["a.png", "deep/" + "é" * 120, "b.png@0,16"]
    data = {name: bytes([number]) * (700 * number) for number, name in enumerate(names)}
    with tiles.writing(tmp_path, "train") as append:
        for name in names:
            append(tile(name, data[name]))
    found = tiles.read(tmp_path, "train")
    assert [found.load(row) for row in range(3)] == list(data.values())
    with tarfile.open(found.folder / "shard-00000.tar") as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == names
        assert [member.offset_data for member in members] == found.table["offset"].tolist()
        assert {member.mtime for member in members} == {0}


def test_a_new_shard_begins_once_the_last_is_full(tmp_path):
    with tiles.writing(tmp_path, "train", shard_bytes=3000) as append:
        for number in range(5):
            append(tile(f"{number}", bytes([number]) * 1000))
    found = tiles.read(tmp_path, "train")
    assert found.table["shard"].tolist() == [f"shard-{number:05d}.tar" for number in (0, 0, 1, 1, 2)]
    assert [found.load(row) for row in range(5)] == [bytes([number]) * 1000 for number in range(5)]


def test_a_split_without_tiles_has_an_empty_index(tmp_path):
    with tiles.writing(tmp_path, "val"):
        pass
    assert list(tiles.read(tmp_path, "val").table.columns) == list(tiles.COLUMNS)
    assert sorted(path.name for path in (tmp_path / tiles.path("val")).iterdir()) == ["tile.sums", tiles.INDEX]


def test_a_tile_that_stands_twice_is_refused_and_nothing_is_left(tmp_path):
    def write() -> None:
        with tiles.writing(tmp_path, "train") as append:
            append(tile("a"))
            append(tile("a"))

    with pytest.raises(ArtifactError, match="occur twice"):
        write()
    assert list((tmp_path / tiles.FOLDER).iterdir()) == []


def test_a_writer_of_tiles_that_fails_leaves_the_old_tiles(tmp_path):
    def write(tile_id: str, count: int) -> None:
        with tiles.writing(tmp_path, "train") as append:
            append(tile(tile_id))
            raise_at_zero = 1 / count
            assert raise_at_zero

    write("old", 1)
    with pytest.raises(ZeroDivisionError):
        write("new", 0)
    assert tiles.read(tmp_path, "train").table["tile_id"].tolist() == ["old"]


def test_weights_on_any_layout_are_read_back_and_hold_no_pickle(tmp_path):
    card = model.Card(
        "multiclass",
        "resnet18",
        "linear",
        0.0,
        64,
        False,
        "none",
        ("a", "b"),
        "focal",
        (),
        pool="avg",
        hidden=512,
        width=512,
    )
    weights = {"w": torch.arange(6.0).reshape(2, 3).T.requires_grad_(), "n": torch.tensor(3, dtype=torch.int64)}
    model.write(tmp_path, card, weights)
    found = model.read_weights(tmp_path)
    assert found["w"].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    assert found["n"].item() == 3
    assert sorted(path.suffix for path in (tmp_path / model.FOLDER).iterdir()) == [".json", ".safetensors", ".sums"]
    data = (tmp_path / model.FOLDER / "model.safetensors").read_bytes()
    assert int.from_bytes(data[:8], "little") < len(data)
    assert data[8:9] == b"{"


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("logit_x", pa.array(["1", "2"]), r"column 'logit_x' holds string, expected numbers \(float32\)"),
        ("logit_x", pa.array([1, 2]), r"column 'logit_x' holds int64, expected numbers \(float32\)"),
        ("logit_x", pa.array([1.0, None], pa.float32()), "column 'logit_x' is empty in 1 of its rows"),
        ("labels", pa.array(["x", None]), "column 'labels' is empty in 1 of its rows"),
        ("labels", pa.array([None, None], pa.string()), "column 'labels' is empty in 2 of its rows"),
        ("labels", pa.array(["x", "z"]), r"labels \['z'\] are none of the classes \['x', 'y'\]"),
        ("labels", pa.array([b"x", b"y"]), "column 'labels' holds binary, expected text"),
        ("group", pa.array(["a", None]), "column 'group' is empty in 1 of its rows"),
        ("group", pa.array([1, 2]), "column 'group' holds int64, expected text"),
        ("image_id", pa.array([[1], [2]]), "column 'image_id' holds list.*, expected text"),
    ],
)
def test_predictions_of_wrong_types_with_gaps_or_unknown_labels_are_refused(tmp_path, sign, column, values, message):
    predictions.write(tmp_path, "val", PREDICTIONS)
    path = tmp_path / predictions.path("val")
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index(column), column, values), path)
    sign(path)
    with pytest.raises(ArtifactError, match=rf"results/predictions/val\.parquet: {message}"):
        predictions.read(tmp_path, "val")


def test_predictions_of_no_image_are_refused_by_writer_and_reader(tmp_path, sign):
    none = predictions.Predictions((), (), (), ("x", "y"), np.zeros((0, 2), np.float32))
    with pytest.raises(ArtifactError, match=r"val\.parquet holds no image"):
        predictions.write(tmp_path, "val", none)
    predictions.write(tmp_path, "val", PREDICTIONS)
    path = tmp_path / predictions.path("val")
    pq.write_table(pq.read_table(path)[:0], path)
    sign(path)
    with pytest.raises(ArtifactError, match=r"val\.parquet holds no image"):
        predictions.read(tmp_path, "val")


def test_tiles_and_their_features_draws_and_units_lack_no_partner(tmp_path):
    with tiles.writing(tmp_path, "train") as append:
        for name in "ab":
            append(tile(name))
    part = tiles.read(tmp_path, "train")
    of_both = pd.DataFrame({"tile_id": ["a", "b"], "view": [0, 0]})
    of_one, of_three = of_both[:1], pd.DataFrame({"tile_id": ["a", "b", "c"], "view": [0, 0, 0]})
    for index, message in (
        (of_one, r"rows\.csv lacks 1 of the 2 that .*tiles\.csv"),
        (of_three, r"tiles\.csv lacks 1 of"),
    ):
        features.write(tmp_path, "train", features.Features(index, np.ones((len(index), 2), np.float32)))
        with pytest.raises(ArtifactError, match=message):
            features.read(tmp_path, "train", part)
    features.write(tmp_path, "train", features.Features(of_both, np.ones((2, 2), np.float32)))
    assert features.read(tmp_path, "train", part) is not None
    draws.write(tmp_path, of_one)
    assert len(draws.read(tmp_path, part)) == 1
    draws.write(tmp_path, of_three)
    with pytest.raises(ArtifactError, match=r"tiles\.csv lacks 1 of the 3 that .*draws\.csv names: 'c'"):
        draws.read(tmp_path, part)
    units = pd.DataFrame([("a", "a", "a", "single", 1.0)], columns=list(clusters.COLUMNS))
    clusters.write(tmp_path, units)
    assert clusters.units(tmp_path) == {"a": "a"}
    with pytest.raises(ArtifactError, match=r"clusters\.csv lacks 1 of the 2 that .*tiles\.csv names: 'b'"):
        clusters.units(tmp_path, part)
