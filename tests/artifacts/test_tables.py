"""What the tables check beyond their columns."""

import pandas as pd
import pytest

from counterpoise.artifacts import draws, manifest, plots, splits, training
from counterpoise.storage import ArtifactError


def test_a_manifest_must_be_sorted(tmp_path):
    rows = [(name, name, "a", name, 1, 1, "00") for name in ("b", "a")]
    with pytest.raises(ArtifactError, match="not sorted by image_id"):
        manifest.write(tmp_path, pd.DataFrame(rows, columns=list(manifest.COLUMNS)))


def test_a_split_of_another_name_is_refused_by_writer_and_reader(tmp_path):
    with pytest.raises(ArtifactError, match=r"unknown splits \['dev'\]; expected \['train', 'val', 'test', 'unused'\]"):
        splits.write(tmp_path, pd.DataFrame({"image_id": ["a"], "split": ["dev"]}))
    (tmp_path / "data").mkdir()
    (tmp_path / splits.PATH).write_text("image_id,split\na,dev\n")
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
    with pytest.raises(ArtifactError, match="should hold float"):
        plots.read(tmp_path, "scores")


def test_curves_of_one_training_stand_side_by_side_and_a_damaged_one_is_named(tmp_path):
    folder = tmp_path / training.FOLDER / "plots" / "metrics"
    folder.mkdir(parents=True)
    (folder / "loss.tsv").write_text("step\tloss\n0\t0.5\n1\t0.25\n")
    (folder / "late.tsv").write_text("step\tlate\n1\t2.0\n")
    found = training.read(tmp_path)
    assert found["step"].tolist() == [0, 1]
    assert found["loss"].tolist() == [0.5, 0.25]
    assert found["late"].isna().tolist() == [True, False]
    (folder / "loss.tsv").write_text("epoch\tloss\n0\t0.5\n")
    with pytest.raises(ArtifactError, match=r"loss\.tsv is no training curve"):
        training.read(tmp_path)
