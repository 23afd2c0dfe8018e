import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_links_are_followed_to_files_and_folders(tmp_path):
    touch(tmp_path, "roof/a.png", "store/b.png")
    (tmp_path / "tree").symlink_to("store")
    (tmp_path / "roof" / "north").symlink_to("../store")
    (tmp_path / "roof" / "c.png").symlink_to("../store/b.png")
    found = {row.image: row.labels for row in folder.read(tmp_path, PARAMS)}
    assert found == {
        "roof/a.png": ("roof",),
        "roof/c.png": ("roof",),
        "roof/north/b.png": ("roof",),
        "store/b.png": ("store",),
        "tree/b.png": ("tree",),
    }


@pytest.mark.parametrize("target", [".", "..", "../.."])
def test_a_link_to_a_folder_around_it_is_refused(tmp_path, target):
    touch(tmp_path, "roof/north/a.png")
    (tmp_path / "roof" / "north" / "link").symlink_to(target)
    with pytest.raises(InputError, match=r"north/link: this link leads to a folder that contains it; remove it"):
        folder.read(tmp_path, PARAMS)


def test_two_links_that_lead_to_each_other_are_refused(tmp_path):
    touch(tmp_path, "a/a.png", "b/b.png")
    (tmp_path / "a" / "to_b").symlink_to("../b")
    (tmp_path / "b" / "to_a").symlink_to("../a")
    with pytest.raises(InputError, match=r"a/to_b/to_a: this link leads to a folder that contains it"):
        folder.read(tmp_path, PARAMS)


def test_links_that_lead_nowhere_are_rows_so_that_they_end_as_rejected(tmp_path):
    touch(tmp_path, "roof/a.png")
    (tmp_path / "roof" / "b.png").symlink_to("gone.png")
    (tmp_path / "solar").symlink_to("gone")
    (tmp_path / "roof" / "circle").symlink_to("circle")
    (tmp_path / "roof" / ".hidden").symlink_to("gone")
    assert [row.image for row in folder.read(tmp_path, PARAMS)] == ["roof/a.png", "roof/b.png", "roof/circle", "solar"]


def test_the_folder_itself_may_be_a_link(tmp_path):
    touch(tmp_path, "own/roof/a.png")
    (tmp_path / "link").symlink_to("own")
    assert [row.image for row in folder.read(tmp_path / "link", PARAMS)] == ["roof/a.png"]


names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=20).filter(
    lambda name: not name.startswith(".")
)


@settings(max_examples=30)
@given(st.dictionaries(names, st.sets(names, min_size=1, max_size=3), min_size=1, max_size=3))
def test_folders_and_files_of_any_name_are_read_back(classes):
    with tempfile.TemporaryDirectory() as root:
        for name, files in classes.items():
            touch(Path(root), *(f"{name}/{file}.png" for file in files))
        found = {(row.labels, row.image) for row in folder.read(Path(root), PARAMS)}
    assert found == {((name,), f"{name}/{file}.png") for name, files in classes.items() for file in files}
