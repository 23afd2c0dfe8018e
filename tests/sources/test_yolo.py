from pathlib import Path

import pytest

from counterpoise import config
from counterpoise.config import InputError
from counterpoise.sources import Row, yolo

PARAMS = {"file": "data.yaml", "missing": "empty"}


def write(folder: Path, files: dict[str, str | None]) -> None:
    """Write pictures, and a text file for each of which the text is not `None`."""
    for name, text in files.items():
        image = folder / name
        image.parent.mkdir(parents=True, exist_ok=True)
        image.touch()
        if text is not None:
            path = folder / name.replace("images", "labels").replace(".jpg", ".txt")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def read(folder: Path, head: str = "train: images\nnames: [cell, no]\n", **changes: object) -> list[Row]:
    (folder / "data.yaml").write_text(head)
    return yolo.read(folder, config.validate(yolo.Params, PARAMS | changes), print)


def one(folder: Path, line: str) -> Row:
    write(folder, {"images/a.jpg": line})
    return read(folder)[1]


def test_a_line_has_class_centre_and_size_as_shares(tmp_path):
    """Of 100 x 40 px, the centre is at 25, 20 and the size is 10 x 20, so left is 20 and top is 10."""
    row = one(tmp_path, "1 0.25 0.5 0.1 0.5\n")
    assert (row.where, row.image, row.labels) == ("labels/a.txt line 1", "images/a.jpg", ("no",))
    assert (row.split, row.unit) == ("train", "frac")
    assert row.box is not None
    x0, y0, x1, y1 = row.box
    assert (x0 * 100, y0 * 40, x1 * 100, y1 * 40) == pytest.approx((20, 10, 30, 30))


def test_of_a_polygon_the_box_is_the_hull(tmp_path):
    assert one(tmp_path, "0 0.1 0.9 0.5 0.2 0.3 0.4").box == (0.1, 0.2, 0.5, 0.9)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("2 0.5 0.5 0.1 0.1", "class 2 is none of the 2 names"),
        ("cell 0.5 0.5 0.1 0.1", "class cell is none of the 2 names"),
        ("0 0.5 0.5 0.1", "3 cells after the class"),
        ("0 0.5 0.5 0.1 0.1 0.9", "5 cells after the class"),
        ("0 0.5 0.5 0.1 x", "expected x, y, width, height"),
        ("0 50 50 10 10", "50 is not a share of the picture, in 0..1: are these pixels?"),
        ("0 0.5 0.5 1.0011 0.1", "1.0011 is not a share"),
        ("0 -0.5 0.5 0.1 0.1", "-0.5 is not a share"),
    ],
)
def test_a_line_that_cannot_be_used_says_why(tmp_path, line, fault):
    row = one(tmp_path, line)
    assert (row.where, row.box) == ("labels/a.txt line 1", None)
    assert fault in row.fault


def test_a_share_that_rounding_made_too_large_is_used(tmp_path):
    row = one(tmp_path, "0 0.5 0.5 1.001 0.5")
    assert row.fault == ""
    assert row.box == pytest.approx((-0.0005, 0.25, 1.0005, 0.75))


def test_a_missing_text_file_means_what_the_parameter_says(tmp_path):
    write(tmp_path, {"images/a.jpg": "", "images/b.jpg": None})
    assert read(tmp_path) == [Row(f"images/{name}.jpg", f"images/{name}.jpg", (), "", "train") for name in "ab"]
    assert [row.unused for row in read(tmp_path, missing="leave_out")] == ["", "it has no labels/b.txt"]


def test_splits_are_folders_lists_of_folders_or_lists_of_images(tmp_path):
    write(tmp_path, {f"{split}/images/{split}.jpg": "" for split in ("train", "valid", "more")} | {"test/t.jpg": None})
    (tmp_path / "test.txt").write_text("./test/t.jpg\n")
    head = (
        "path: ../nowhere\ntrain: [../train/images, more/images]\nval: ../valid/images\ntest: test.txt\nnames: {0: a}\n"
    )
    assert [(row.image, row.split) for row in read(tmp_path, head)] == [
        ("train/images/train.jpg", "train"),
        ("more/images/more.jpg", "train"),
        ("valid/images/valid.jpg", "val"),
        ("test/t.jpg", "test"),
    ]


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("train: images\n", "expected names"),
        ("train: images\nnames: {a: b}\n", "expected names"),
        ("names: [a]\n", "expected folders of images under train, val and test"),
        ("train: absent\nnames: [a]\n", "train is 'absent', where no image was found"),
        ("train: ../..\nnames: [a]\n", "expected|no image"),
        ("- a\n", "expected keys such as"),
        ("a: [", "data.yaml: not valid YAML"),
    ],
)
def test_a_yaml_file_without_what_is_needed_is_refused(tmp_path, head, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, head)
