from pathlib import Path

import pytest

from counterpoise import config
from counterpoise.config import InputError
from counterpoise.sources import Row, voc

PARAMS = {"annotations": "Annotations", "images": "JPEGImages", "image_sets": "", "one_based": True}
OBJECT = (
    "<object><name>cell</name>{more}<bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox>"
    "<part><name>nucleus</name><bndbox><xmin>9</xmin><ymin>9</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part>"
    "</object>"
)


def write(folder: Path, name: str, objects: str) -> None:
    path = folder / "Annotations" / f"{name}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    size = "<size><width>10</width><height>20</height></size>"
    path.write_text(f"<annotation><filename>{name}.jpg</filename>{size}{objects}</annotation>")


def read(folder: Path, **changes: object) -> list[Row]:
    return voc.read(folder, config.validate(voc.Params, PARAMS | changes), print)


def test_pixels_are_counted_from_1_and_the_last_one_is_inside(tmp_path):
    """The box of a whole picture of 10 x 20 px is 1, 1, 10, 20 in VOC."""
    write(tmp_path, "a", OBJECT.format(1, 1, 10, 20, more=""))
    image, box = read(tmp_path)
    assert image == Row("Annotations/a.xml", "JPEGImages/a.jpg", (), "", size_px=(10, 20))
    expected = Row(
        "Annotations/a.xml object 1", "JPEGImages/a.jpg", ("cell",), "", box=(0, 0, 10, 20), size_px=(10, 20)
    )
    assert box == expected


def test_with_another_convention_numbers_are_taken_as_they_are(tmp_path):
    write(tmp_path, "a", OBJECT.format(0, 1, 10, 20, more=""))
    assert read(tmp_path, one_based=False)[1].box == (0, 1, 10, 20)


@pytest.mark.parametrize("corners", [(0, 1, 5, 5), (1, 0, 5, 5), (0.5, 1, 5, 5)])
def test_a_zero_where_pixels_are_counted_from_1_stops(tmp_path, corners):
    write(tmp_path, "a", OBJECT.format(*corners, more=""))
    with pytest.raises(
        InputError, match=r"a\.xml object 1: .* counted from 0; set ingest\.sources\.voc\.one_based to fa"
    ):
        read(tmp_path)


def test_a_difficult_object_is_ignored(tmp_path):
    objects = [OBJECT.format(1, 1, 2, 2, more=f"<difficult>{value}</difficult>") for value in (0, 1)]
    write(tmp_path, "a", "".join(objects))
    assert [row.ignore for row in read(tmp_path)] == [False, False, True]


@pytest.mark.parametrize(
    ("objects", "fault"),
    [
        ("<object><name>cell</name></object>", "expected numbers in xmin, ymin, xmax, ymax"),
        (OBJECT.format("x", 1, 2, 2, more=""), "expected numbers"),
        (OBJECT.format(1, 1, 2, 2, more="").replace("cell", ""), "the object has no name"),
    ],
)
def test_a_box_that_cannot_be_used_says_why(tmp_path, objects, fault):
    write(tmp_path, "a", objects)
    row = read(tmp_path)[1]
    assert row.box is None
    assert fault in row.fault


def test_lists_give_splits_and_a_name_without_a_file_is_a_row(tmp_path, capsys):
    for name in "ab":
        write(tmp_path, name, "")
    (tmp_path / "Sets").mkdir()
    (tmp_path / "Sets" / "train.txt").write_text("a 1\n\n")
    (tmp_path / "Sets" / "test.txt").write_text("b\nc\n")
    found = [(row.where, row.image, row.split, row.unused) for row in read(tmp_path, image_sets="Sets")]
    assert found == [
        ("Annotations/a.xml", "JPEGImages/a.jpg", "train", ""),
        ("Annotations/b.xml", "JPEGImages/b.jpg", "test", ""),
        ("Sets/test.txt line 2", "JPEGImages/c", "test", "c has no XML file"),
    ]
    assert "there is no Annotations/c.xml" in capsys.readouterr().out
    (tmp_path / "Sets" / "val.txt").write_text("a\n")
    with pytest.raises(InputError, match=r"val\.txt line 1: 'a' is in train\.txt, too"):
        read(tmp_path, image_sets="Sets")
    with pytest.raises(InputError, match="image_sets"):
        read(tmp_path, image_sets="Annotations")


def test_a_damaged_file_is_named(tmp_path):
    write(tmp_path, "a", "<object>")
    with pytest.raises(InputError, match=r"a\.xml: not XML: mismatched tag"):
        read(tmp_path)


def test_entities_that_multiply_are_not_expanded(tmp_path):
    """Nine levels of ten references each would be a billion words."""
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    (tmp_path / "Annotations").mkdir()
    text = f'<!DOCTYPE a [<!ENTITY e0 "word">{levels}]><annotation><filename>&e9;</filename></annotation>'
    (tmp_path / "Annotations" / "a.xml").write_text(text)
    with pytest.raises(InputError, match="not XML: limit on input amplification"):
        read(tmp_path)
