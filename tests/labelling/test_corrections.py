"""The table of suspects: written, confirmed, read, and applied to all labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from counterpoise import config
from counterpoise.config import InputError
from counterpoise.labelling import corrections
from counterpoise.labelling.confident_learning import Suspect
from counterpoise.sources import csv as source
from counterpoise.study.images import Images

ROOT = Path(__file__).parents[2]
CLASSES = ("metal, rusty", "moss")


@pytest.fixture
def images() -> pd.DataFrame:
    """A manifest, as far as it matters here: `metal` was merged into another class."""
    return pd.DataFrame(
        {
            "image_id": ["a.png", 'b "1".png', "c.png"],
            "labels": ["metal, rusty", "moss", "moss"],
            "raw_labels": ["metal", "moss", "moss"],
            "group": ["site 1", "site 1", "c.png"],
            "split": ["", "", ""],
        }
    )


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["image,given,suggested,margin,confirmed", *rows, ""]))
    return path


def test_a_confirmed_suspect_changes_the_table_of_labels_and_nothing_else(images: pd.DataFrame, tmp_path: Path) -> None:
    ids = images["image_id"].to_numpy().astype(str)
    truth = np.array([[True, False], [False, True], [False, True]])
    of = Images(
        ids, truth, np.array([0, 0, 1]), CLASSES, 1, one_class=True, least=5, of_positive=frozenset(), task="multiclass"
    )
    lines = corrections.lines([Suspect(1, (1,), (0,), -0.5), Suspect(2, (1,), (0,), -0.25)], of)
    path = tmp_path / "suspects.csv"
    corrections.write(path, lines)
    assert corrections.read(path, images, CLASSES, "multiclass") == {}
    rows = path.read_text().splitlines()
    path.write_text("\n".join([rows[0], rows[1] + "Yes", rows[2] + "no"]))
    confirmed = corrections.read(path, images, CLASSES, "multiclass")
    assert confirmed == {'b "1".png': "metal, rusty"}

    whole = corrections.corrected(images, confirmed)
    corrections.write_labels(tmp_path / "labels.csv", whole)
    settings: dict[str, Any] = config.load(ROOT)["ingest"]["sources"]["csv"] | {
        "group_column": "group",
        "label_separator": "",
    }
    found = source.read(tmp_path, source.Params(**settings), print)
    assert [(row.image, row.labels, row.group) for row in found] == [
        ("a.png", ("metal",), "site 1"),
        ('b "1".png', ("metal, rusty",), "site 1"),
        ("c.png", ("moss",), "c.png"),
    ]


def test_groups_and_splits_are_written_where_there_are_some(images: pd.DataFrame) -> None:
    assert corrections.corrected(images, {})[0] == ("image", "label", "group")
    alone = images.assign(group=images["image_id"], split=["train", "", "test"])
    assert corrections.corrected(alone, {})[:2] == [("image", "label", "split"), ("a.png", "metal", "train")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x.png,moss,moss,-1,yes", r"t\.csv row 2: there is no image 'x\.png'"),
        ('c.png,"metal, rusty",moss,-1,yes', "has labels 'moss' now, not 'metal, rusty'; run `counterpoise suspects`"),
        ("c.png,moss,mos,-1,yes", "'mos' is no class; .*did you mean 'moss'"),
        ("c.png,moss,,-1,yes", "the row has no label"),
        ("c.png,moss,moss,-1,maybe", "column 'confirmed' holds 'maybe'; expected 'yes', 'no', or nothing"),
        ("c.png,moss,moss,-1,yes\nc.png,moss,moss,-1,yes", r"row 3: image 'c\.png' is confirmed twice"),
        ('"c.png', "not a table of comma-separated values"),
    ],
)
def test_a_row_that_cannot_be_applied_is_named(row: str, message: str, images: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        corrections.read(table(tmp_path / "t.csv", row), images, CLASSES, "multiclass")


def test_of_many_labels_none_may_be_left(images: pd.DataFrame, tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "c.png,moss,,-1,yes")
    assert corrections.read(path, images, CLASSES, "multilabel") == {"c.png": ""}


def test_another_table_is_refused(images: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--apply .*gone\.csv: no such file"):
        corrections.read(tmp_path / "gone.csv", images, CLASSES, "multiclass")
    (tmp_path / "t.csv").write_text("image,label\na.png,moss\n")
    with pytest.raises(InputError, match=r"expected a table with columns .* found no row with 'given'"):
        corrections.read(tmp_path / "t.csv", images, CLASSES, "multiclass")
