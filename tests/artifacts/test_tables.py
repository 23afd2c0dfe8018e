"""What the tables check beyond their columns."""

import pandas as pd
import pytest

from counterpoise import storage
from counterpoise.artifacts import detections, draws, manifest, plots, rejected, splits, training
from counterpoise.storage import ArtifactError


def manifest_of(*images: tuple[str, str]) -> pd.DataFrame:
    rows = [(name, name, "a", "a", group, "", 1, 1, "00") for name, group in images]
    return pd.DataFrame(rows, columns=list(manifest.COLUMNS))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([("b", "b"), ("a", "a")], "rows are not sorted by image_id"),
        ([("a", "a"), ("b", "")], "image 'b' has no group"),
        ([("a", "a"), ("a", "a")], "occur twice"),
    ],
)
def test_a_manifest_is_sorted_and_every_image_once_in_a_group_for_writer_and_reader(tmp_path, images, message):
    with pytest.raises(ArtifactError, match=message):
        manifest.write(tmp_path, manifest_of(*images))
    (tmp_path / "data").mkdir()
    manifest_of(*images).to_csv(tmp_path / manifest.PATH, index=False)
    storage.record(tmp_path / manifest.PATH, tmp_path / manifest.SUMS)
    with pytest.raises(ArtifactError, match=message):
        manifest.read(tmp_path)


def test_a_given_split_has_a_known_name_for_writer_and_reader(tmp_path):
    table = manifest_of(("a", "a"), ("b", "b"), ("c", "c")).assign(split=["train", "", "dev"])
    message = r"unknown splits \['dev'\]; expected \['train', 'val', 'test'\], or nothing"
    with pytest.raises(ArtifactError, match=message):
        manifest.write(tmp_path, table)
    (tmp_path / "data").mkdir()
    table.to_csv(tmp_path / manifest.PATH, index=False)
    storage.record(tmp_path / manifest.PATH, tmp_path / manifest.SUMS)
    with pytest.raises(ArtifactError, match=message):
        manifest.read(tmp_path)


def test_rows_are_rejected_excluded_or_clipped_for_writer_and_reader(tmp_path):
    table = pd.DataFrame([("row 2", "a", "lost", "why")], columns=list(rejected.COLUMNS))
    with pytest.raises(
        ArtifactError, match=r"unknown kinds \['lost'\]; expected \['rejected', 'excluded', 'clipped'\]"
    ):
        rejected.write(tmp_path, table)
    (tmp_path / "data").mkdir()
    table.to_csv(tmp_path / rejected.PATH, index=False)
    storage.record(tmp_path / rejected.PATH, tmp_path / rejected.SUMS)
    with pytest.raises(ArtifactError, match="unknown kinds"):
        rejected.read(tmp_path)


def test_a_split_of_another_name_is_refused_by_writer_and_reader(tmp_path):
    with pytest.raises(ArtifactError, match=r"unknown splits \['dev'\]; expected \['train', 'val', 'test', 'unused'\]"):
        splits.write(tmp_path, pd.DataFrame({"image_id": ["a"], "split": ["dev"]}))
    (tmp_path / "data").mkdir()
    (tmp_path / splits.PATH).write_text("image_id,split\na,dev\n")
    storage.record(tmp_path / splits.PATH, tmp_path / splits.SUMS)
    with pytest.raises(ArtifactError, match="unknown splits"):
        splits.read(tmp_path)


@pytest.mark.parametrize(("tile_ids", "views"), [([], []), (["a"], [-1])])
def test_an_epoch_draws_something_and_views_are_not_negative(tmp_path, tile_ids, views):
    table = pd.DataFrame({"tile_id": pd.Series(tile_ids, dtype=object), "view": pd.Series(views, dtype="int64")})
    with pytest.raises(ArtifactError, match="expected at least one draw, with views of 0 or more"):
        draws.write(tmp_path, table)


def test_a_missing_or_unknown_plot_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="found tables"):
        plots.write(tmp_path, {"confusion": pd.DataFrame({"actual": ["a"], "decided": ["a"]})})
    assert list(tmp_path.iterdir()) == []


def test_a_plot_with_a_word_for_a_number_is_refused(tmp_path):
    (tmp_path / plots.FOLDER).mkdir(parents=True)
    path = tmp_path / plots.FOLDER / "scores.csv"
    path.write_text("way,figure,value,low,high\nraw,accuracy,many,,\n")
    storage.record(path, tmp_path / plots.SUMS)
    with pytest.raises(ArtifactError, match="should hold float"):
        plots.read(tmp_path, "scores")


def test_curves_of_one_training_stand_side_by_side_and_a_damaged_one_is_named(tmp_path):
    folder = tmp_path / training.FOLDER / "plots" / "metrics"
    folder.mkdir(parents=True)
    (folder / "loss.tsv").write_text("step\tloss\n0\t0.5\n1\t0.25\n")
    (folder / "late.tsv").write_text("step\tlate\n1\t2.0\n")
    for name in ("loss.tsv", "late.tsv"):
        storage.record(folder / name, tmp_path / training.SUMS)
    found = training.read(tmp_path)
    assert found["step"].tolist() == [0, 1]
    assert found["loss"].tolist() == [0.5, 0.25]
    assert found["late"].isna().tolist() == [True, False]
    (folder / "loss.tsv").write_text("epoch\tloss\n0\t0.5\n")
    storage.record(folder / "loss.tsv", tmp_path / training.SUMS)
    with pytest.raises(ArtifactError, match=r"loss\.tsv is no training curve"):
        training.read(tmp_path)


def test_blocks_return_and_join_their_scene_as_images(tmp_path):
    rows = [
        ("a#0", "train", "a", "x", 0, 0, 9, 8),
        ("a#1", "test", "a", "", 12, 0, 20, 8),
        ("b#0", "val", "b", "x", 0, 0, 9, 8),
    ]
    table = pd.DataFrame(rows, columns=[*splits.COLUMNS, *splits.BLOCK_COLUMNS])
    splits.write(tmp_path, table)
    pd.testing.assert_frame_equal(splits.read(tmp_path), table)
    joined = splits.join(tmp_path, manifest_of(("a", "a"), ("b", "b")), table)
    assert joined[["image_id", "scene_id", "split", "labels"]].to_numpy().tolist() == [
        ["a#0", "a", "train", "x"],
        ["a#1", "a", "test", ""],
        ["b#0", "b", "val", "x"],
    ]
    with pytest.raises(ArtifactError, match=r"splits\.csv lacks 1 of the 3 that .*manifest\.csv names: 'c'"):
        splits.join(tmp_path, manifest_of(("a", "a"), ("b", "b"), ("c", "c")), table)
    with pytest.raises(ArtifactError, match="block 'a#0' has no area"):
        splits.write(tmp_path, table.assign(x1_px=0))


def test_a_place_of_no_class_is_ignored_for_every_class_and_one_of_a_class_for_that_alone():
    there = pd.DataFrame(
        [
            ("a", "a", 0, "car", 0.0, 0.0, 4.0, 4.0, 0),
            ("a", "a", 1, "", 10.0, 0.0, 20.0, 10.0, 1),
            ("a", "a", 2, "car", 30.0, 0.0, 40.0, 10.0, 1),
        ],
        columns=list(detections.THERE),
    )
    found = pd.DataFrame(columns=list(detections.FOUND)).astype({"logit": float})
    _, truth = detections.arrays(detections.Tables(found, there), "test", ["a"], ["car", "roof"])
    places = zip(truth.label.tolist(), truth.boxes[:, 0].tolist(), truth.ignore.tolist(), strict=True)
    assert sorted(places) == [(0, 0.0, False), (0, 10.0, True), (0, 30.0, True), (1, 10.0, True)]


def test_an_object_without_a_label_is_refused(tmp_path):
    there = pd.DataFrame([("a", "a", 0, "", 0.0, 0.0, 4.0, 4.0, 0)], columns=list(detections.THERE))
    found = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in detections.FOUND.items()})
    with pytest.raises(ArtifactError, match="an object has no label, and is not ignored"):
        detections.write(tmp_path, "test", detections.Tables(found, there))
