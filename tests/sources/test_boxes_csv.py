from pathlib import Path

import pytest

from counterpoise import config
from counterpoise.config import InputError
from counterpoise.sources import Row, boxes_csv

TREES = Path(__file__).resolve().parents[3] / "shared" / "data" / "geotiff"
PARAMS = {
    "file": "boxes.csv",
    "image_column": "image",
    "label_column": "label",
    "box_columns": ["x", "y", "w", "h"],
    "box_form": "corners",
    "size_columns": [],
    "ignore_column": "",
    "group_column": "",
    "split_column": "",
    "delimiter": ",",
}
HEADER = "image,label,x,y,w,h,site,part,skip,wide,high\n"


def read(folder: Path, text: str, **changes: object) -> list[Row]:
    (folder / "boxes.csv").write_text(text)
    return boxes_csv.read(folder, config.validate(boxes_csv.Params, PARAMS | changes), print)


def test_corners_and_sizes_are_told_apart_by_a_parameter(tmp_path):
    text = HEADER + "a.png,cell,1,2,3,4,,,,,\n"
    assert read(tmp_path, text) == [Row("boxes.csv row 2", "a.png", ("cell",), "", box=(1, 2, 3, 4))]
    assert read(tmp_path, text, box_form="sizes")[0].box == (1, 2, 4, 6)


def test_other_columns_give_group_split_size_and_what_is_ignored(tmp_path):
    columns = {
        "group_column": "site",
        "split_column": "part",
        "ignore_column": "skip",
        "size_columns": ["wide", "high"],
    }
    row = read(tmp_path, HEADER + "a.png,cell,1,2,3,4,s,Valid,1.0,30,20\n", **columns)[0]
    assert (row.group, row.split, row.ignore, row.size_px) == ("s", "val", True, (30, 20))


def test_a_row_without_label_and_corners_is_an_image_without_objects(tmp_path):
    assert read(tmp_path, HEADER + "a.png,,,,,,,,,,\n") == [Row("boxes.csv row 2", "a.png", (), "")]


@pytest.mark.parametrize("cells", ["cell,,,,", "cell,1,2,3,", ",1,2,3,4", "cell,1,2,3,x"])
def test_a_row_with_half_a_box_says_so(tmp_path, cells):
    row = read(tmp_path, HEADER + f"a.png,{cells},,,,,\n")[0]
    assert row.box is None
    assert "expected a class and four numbers" in row.fault


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("image,label\n", {}, r"box_columns names 'x', but there is no column 'x'"),
        ("image,label,x,y,w,h,x\n", {}, r"there is 2 columns 'x'"),
        (HEADER + "a.png,cell\n", {}, "row 2: found too many or too few cells"),
        (HEADER + "a.png,cell,1,2,3,4,,,,,,\n", {}, "row 2: found too many or too few cells"),
        (HEADER + "a.png,cell,1,2,3,4,,x,,,\n", {"split_column": "part"}, r"row 2: column 'part' holds 'x'"),
        (HEADER + "a.png,cell,1,2,3,4,,,x,,\n", {"ignore_column": "skip"}, r"row 2: column 'skip' holds 'x'"),
        (HEADER + 'a.png,"cell', {}, "not a table"),
        (HEADER, {"box_columns": ["x"]}, "box_columns"),
        (HEADER, {"size_columns": ["wide"]}, "expected two columns"),
        (HEADER, {"delimiter": ";;"}, "expected one character"),
    ],
)
def test_a_table_that_is_not_as_stated_is_refused(tmp_path, text, changes, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text, **changes)


def test_real_boxes_of_trees_are_read():
    if not TREES.is_dir():
        pytest.skip(f"{TREES} does not exist: put the geotiff crops there")
    columns = {"image_column": "image_path", "box_columns": ["xmin", "ymin", "xmax", "ymax"], "file": "OSBS_029.csv"}
    rows = boxes_csv.read(TREES, config.validate(boxes_csv.Params, PARAMS | columns), print)
    assert rows[0] == Row("OSBS_029.csv row 2", "OSBS_029.tif", ("Tree",), "", box=(203, 67, 227, 90))
    assert all(row.box and row.image == "OSBS_029.tif" for row in rows)
