from pathlib import Path

import pytest

from counterpoise.config import InputError
from counterpoise.sources import Row, folder

PARAMS = folder.Params()


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_the_first_folder_is_the_class_at_any_depth(tmp_path):
    touch(tmp_path, "roof/b.PNG", "roof/north/a.jpg", "NA/c.tif")
    assert folder.read(tmp_path, PARAMS) == [
        Row("NA/c.tif", "NA/c.tif", ("NA",), ""),
        Row("roof/b.PNG", "roof/b.PNG", ("roof",), ""),
        Row("roof/north/a.jpg", "roof/north/a.jpg", ("roof",), ""),
    ]


def test_what_is_hidden_or_no_image_is_passed_over(tmp_path):
    touch(
        tmp_path,
        "roof/a.png",
        "roof/.b.png",
        "roof/.ipynb_checkpoints/a.png",
        ".cache/roof.png",
        "roof/readme.txt",
        "top.png",
    )
    (tmp_path / "roof" / "folder.png").mkdir()
    assert [row.image for row in folder.read(tmp_path, PARAMS)] == ["roof/a.png"]


def test_a_missing_folder_says_what_to_set(tmp_path):
    with pytest.raises(InputError, match=r"absent: the folder does not exist; set ingest\.root"):
        folder.read(tmp_path / "absent", PARAMS)


def test_a_folder_without_classes_says_what_was_expected(tmp_path):
    touch(tmp_path, "top.png", "labels.csv")
    with pytest.raises(InputError, match="expected a folder per class with images"):
        folder.read(tmp_path, PARAMS)
