import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.config import InputError
from counterpoise.sources import Row, folder

PARAMS = folder.Params()


def used(root: Path) -> list[Row]:
    return [row for row in folder.read(root, PARAMS, print) if not row.unused]


def refusal(root: Path) -> str:
    with pytest.raises(InputError) as caught:
        folder.read(root, PARAMS, print)
    return str(caught.value)


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_the_first_folder_is_the_class_at_any_depth(tmp_path):
    touch(tmp_path, "roof/b.PNG", "roof/north/a.jpg", "NA/c.tif")
    assert folder.read(tmp_path, PARAMS, print) == [
        Row("NA/c.tif", "NA/c.tif", ("NA",), ""),
        Row("roof/b.PNG", "roof/b.PNG", ("roof",), ""),
        Row("roof/north/a.jpg", "roof/north/a.jpg", ("roof",), ""),
    ]


def test_what_is_hidden_or_no_image_is_listed_with_the_reason(tmp_path):
    touch(
        tmp_path,
        "roof/a.png",
        "roof/.b.png",
        "roof/.ipynb_checkpoints/a.png",
        ".cache/roof.png",
        "roof/readme.TXT",
        "labels.csv",
        "top.png",
    )
    (tmp_path / "roof" / "folder.png").mkdir()
    assert {row.image: row.unused for row in folder.read(tmp_path, PARAMS, print)} == {
        "roof/a.png": "",
        "roof/.b.png": "hidden: its name begins with a dot",
        "roof/.ipynb_checkpoints": "hidden: its name begins with a dot",
        "roof/readme.TXT": "no image, by its suffix .txt",
        "top.png": "it is beside the class folders, in none of them",
    }


def test_files_of_any_other_suffix_are_read_so_that_they_are_images_or_rejected(tmp_path):
    names = ["a.jfif", "b.HEIC", "c", "d.dcm", "e.unknown", "f.svg"]
    touch(tmp_path, *(f"roof/{name}" for name in names), "solar/x.png")
    assert [row.image for row in used(tmp_path)] == [*(f"roof/{name}" for name in sorted(names)), "solar/x.png"]


def test_a_folder_of_which_no_class_is_made_is_named(tmp_path):
    touch(tmp_path, "roof/a.png", "notes/a.txt", "__MACOSX/._a.png", ".git/x")
    (tmp_path / "empty").mkdir()
    said: list[str] = []
    folder.read(tmp_path, PARAMS, said.append)
    assert said == [f"{tmp_path}: no image in __MACOSX, empty, notes: no class is made of them"]


def test_a_folder_named_like_several_labels_is_named(tmp_path):
    touch(tmp_path, "bad/a.png", "ok/a.png", "bad,dirt/a.png")
    said: list[str] = []
    found = folder.read(tmp_path, PARAMS, said.append)
    assert [row.labels for row in found] == [("bad",), ("bad,dirt",), ("ok",)]
    (text,) = said
    assert "folder names such as 'bad,dirt' seem to hold several labels, separated by ','" in text


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        (("train", "val", "test"), ("train", "val", "test")),
        (("Train", "valid", "TEST"), ("train", "val", "test")),
        (("training", "validation", "testing"), ("train", "val", "test")),
        (("train", "test"), ("train", "test")),
        (("train", "dev"), ("train", "val")),
    ],
)
def test_folders_of_splits_are_splits_and_the_folders_in_them_are_classes(tmp_path, names, meant):
    touch(tmp_path, *(f"{name}/{label}/{name}.jpg" for name in names for label in ("bad", "ok")))
    touch(tmp_path, f"{names[0]}/bad/deep/x.jpg", f"{names[0]}/classes.txt")
    split_of = dict(zip(names, meant, strict=True))
    said: list[str] = []
    rows = [row for row in folder.read(tmp_path, PARAMS, said.append) if not row.unused]
    shown = ", ".join(sorted(names))
    assert said == [f"{tmp_path}: the folders {shown} are taken for splits, and those in them for classes"]
    assert len(rows) == 2 * len(names) + 1
    for row in rows:
        assert (row.split, row.labels) == (split_of[row.image.split("/")[0]], (row.image.split("/")[1],))


def test_splits_without_class_folders_are_never_taken_for_classes(tmp_path):
    touch(tmp_path, "train/bad/a.jpg", "train/ok/b.jpg", "test/c.jpg")
    assert "the folders test, train are named as splits are, but images in test are in no class folder" in refusal(
        tmp_path
    )
    touch(tmp_path, "unlabelled/x.jpg")
    assert "test, train are named as splits are, but unlabelled not; move what is no split" in refusal(tmp_path)


@pytest.mark.parametrize(
    "names", [("train_set", "test_set"), ("train2017", "val2017"), ("train", "eval"), ("Train-images", "test images")]
)
def test_splits_under_other_names_are_never_taken_for_classes(tmp_path, names):
    touch(tmp_path, *(f"{name}/{label}/a.jpg" for name in names for label in ("bad", "ok")))
    assert f"the folders {', '.join(sorted(names))} hold class folders, and seem to be splits; rename" in refusal(
        tmp_path
    )


@pytest.mark.parametrize("names", [("train_station", "bus"), ("valley", "testudo"), ("test_1", "test_2")])
def test_classes_whose_names_only_begin_like_a_split_stay_classes(tmp_path, names):
    touch(tmp_path, *(f"{name}/{site}/a.jpg" for name in names for site in ("north", "south")))
    assert {row.labels[0] for row in used(tmp_path)} == set(names)


def test_splits_inside_the_class_folders_are_named_since_they_are_not_used(tmp_path):
    touch(tmp_path, *(f"{label}/{name}/a.jpg" for name in ("train", "test") for label in ("bad", "ok")))
    said: list[str] = []
    assert {row.labels for row in folder.read(tmp_path, PARAMS, said.append)} == {("bad",), ("ok",)}
    (text,) = said
    assert "the folders test, train in the class folders are named as splits are, and are not used" in text


def test_one_folder_named_like_a_split_is_a_class_beside_others(tmp_path):
    touch(tmp_path, "train/a.jpg", "bus/b.jpg")
    assert [(row.labels, row.split) for row in used(tmp_path)] == [(("bus",), ""), (("train",), "")]


@pytest.mark.parametrize("wrapper", ["images", "a/b", "train"])
def test_a_folder_around_the_class_folders_is_named_with_what_to_set(tmp_path, wrapper):
    touch(tmp_path, f"{wrapper}/ok/a.png", f"{wrapper}/bad/b.png", "labels.csv", "__MACOSX/._x")
    text = refusal(tmp_path)
    assert f"{wrapper} is its only folder with images, and the folders in it look like classes (bad, ok)" in text
    assert text.endswith(f"set ingest.root one level deeper: add '/{wrapper}' at its end")


def test_a_missing_folder_says_what_to_set(tmp_path):
    with pytest.raises(InputError, match=r"absent: the folder does not exist; set ingest\.root"):
        folder.read(tmp_path / "absent", PARAMS, print)


def test_a_folder_without_classes_says_what_was_expected(tmp_path):
    touch(tmp_path, "top.png", "labels.csv")
    with pytest.raises(InputError, match="expected a folder per class with images"):
        folder.read(tmp_path, PARAMS, print)


def test_links_are_followed_to_files_and_folders(tmp_path):
    touch(tmp_path, "roof/a.png", "store/b.png")
    (tmp_path / "tree").symlink_to("store")
    (tmp_path / "roof" / "north").symlink_to("../store")
    (tmp_path / "roof" / "c.png").symlink_to("../store/b.png")
    found = {row.image: row.labels for row in folder.read(tmp_path, PARAMS, print)}
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
        folder.read(tmp_path, PARAMS, print)


def test_two_links_that_lead_to_each_other_are_refused(tmp_path):
    touch(tmp_path, "a/a.png", "b/b.png")
    (tmp_path / "a" / "to_b").symlink_to("../b")
    (tmp_path / "b" / "to_a").symlink_to("../a")
    with pytest.raises(InputError, match=r"a/to_b/to_a: this link leads to a folder that contains it"):
        folder.read(tmp_path, PARAMS, print)


def test_links_that_lead_nowhere_are_rows_so_that_they_end_as_rejected(tmp_path):
    touch(tmp_path, "roof/a.png")
    (tmp_path / "roof" / "b.png").symlink_to("gone.png")
    (tmp_path / "solar").symlink_to("gone")
    (tmp_path / "roof" / "circle").symlink_to("circle")
    (tmp_path / "roof" / ".hidden").symlink_to("gone")
    assert [(row.image, row.labels) for row in used(tmp_path)] == [
        ("roof/a.png", ("roof",)),
        ("roof/b.png", ("roof",)),
        ("roof/circle", ("roof",)),
        ("solar", ("solar",)),
    ]


def test_the_folder_itself_may_be_a_link(tmp_path):
    touch(tmp_path, "own/roof/a.png")
    (tmp_path / "link").symlink_to("own")
    assert [row.image for row in folder.read(tmp_path / "link", PARAMS, print)] == ["roof/a.png"]


names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=20).filter(
    lambda name: not name.startswith(".")
)


@settings(max_examples=30)
@given(st.dictionaries(names, st.sets(names, min_size=1, max_size=3), min_size=1, max_size=3))
def test_folders_and_files_of_any_name_are_read_back(classes):
    with tempfile.TemporaryDirectory() as root:
        for name, files in classes.items():
            touch(Path(root), *(f"{name}/{file}.png" for file in files))
        found = {(row.labels, row.image) for row in folder.read(Path(root), PARAMS, print)}
    assert found == {((name,), f"{name}/{file}.png") for name, files in classes.items() for file in files}
