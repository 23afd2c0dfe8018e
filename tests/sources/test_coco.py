import json
import re
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO

from counterpoise import config
from counterpoise.config import InputError
from counterpoise.sources import Row, coco

BCCD = Path(__file__).resolve().parents[3] / "shared" / "data" / "bccd"
PARAMS = {"file": "a.json", "split_files": {}, "image_folder": "", "split_key": "", "group_key": ""}
CONTENT: dict[str, Any] = {
    "images": [{"id": 7, "file_name": "a.jpg", "width": 30, "height": 20}],
    "categories": [{"id": 1, "name": "cell"}],
    "annotations": [{"id": 5, "image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4]}],
}


def read(folder: Path, content: dict[str, Any], **changes: object) -> list[Row]:
    (folder / "a.json").write_text(json.dumps(content))
    return coco.read(folder, config.validate(coco.Params, PARAMS | changes), print)


def box_of(folder: Path, **changes: object) -> Row:
    annotation = {key: value for key, value in (CONTENT["annotations"][0] | changes).items() if value is not None}
    return read(folder, CONTENT | {"annotations": [annotation]})[1]


def test_a_bbox_has_left_top_width_and_height(tmp_path):
    image, box = read(tmp_path, CONTENT)
    assert image == Row("a.json image id 7", "a.jpg", (), "", size_px=(30, 20))
    assert box == Row("a.json annotation id 5", "a.jpg", ("cell",), "", box=(1, 2, 4, 6), size_px=(30, 20))


def test_a_crowd_is_ignored(tmp_path):
    assert box_of(tmp_path, iscrowd=1).ignore
    assert not box_of(tmp_path, iscrowd=0).ignore


def test_without_a_bbox_the_box_is_the_hull_of_the_polygons(tmp_path):
    polygons = [[1, 9, 5, 2, 3, 3], [8, 4, 9, 4, 9, 5]]
    assert box_of(tmp_path, bbox=None, segmentation=polygons).box == (1, 2, 9, 9)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"bbox": None, "segmentation": {"counts": [1], "size": [2, 2]}}, "run-length mask and no bbox"),
        ({"bbox": None}, "neither bbox nor polygons"),
        ({"bbox": None, "segmentation": [[1, 2, 3]]}, "neither bbox nor polygons"),
        ({"bbox": [1, 2, 3]}, r"bbox is \[1, 2, 3\]; expected"),
        ({"bbox": [1, 2, 3, "x"]}, "expected"),
        ({"bbox": [1, 2, True, 4]}, "expected"),
        ({"category_id": 2}, "category_id 2 is the id of no category"),
        ({"image_id": 8}, "image_id 8 is the id of no image"),
        ({"image_id": [7]}, r"image_id \[7\] is the id of no image"),
    ],
)
def test_a_box_that_cannot_be_used_says_why_and_where(tmp_path, changes, fault):
    row = box_of(tmp_path, **changes)
    assert (row.where, row.box) == ("a.json annotation id 5", None)
    assert re.search(fault, row.fault)


@pytest.mark.parametrize("key", ["images", "categories", "annotations"])
def test_an_id_that_occurs_twice_or_not_at_all_stops(tmp_path, key):
    with pytest.raises(InputError, match=f"two entries of '{key}' have the id"):
        read(tmp_path, CONTENT | {key: CONTENT[key] * 2})
    with pytest.raises(InputError, match=f"entry 1 of '{key}' has no id"):
        read(tmp_path, CONTENT | {key: [{}]})
    with pytest.raises(InputError, match=f"expected a list under '{key}'"):
        read(tmp_path, {other: value for other, value in CONTENT.items() if other != key})


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
def test_what_is_no_object_of_json_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=r"a\.json: (not JSON|expected an object)"):
        coco.read(tmp_path, config.validate(coco.Params, PARAMS), print)


def test_splits_come_from_files_of_their_own_with_a_folder_for_each(tmp_path):
    (tmp_path / "v.json").write_text(json.dumps(CONTENT))
    files = {"train": "a.json", "val": "v.json"}
    rows = read(tmp_path, CONTENT, split_files=files, image_folder="{split}2017")
    assert [(row.image, row.split) for row in rows[::2]] == [("train2017/a.jpg", "train"), ("val2017/a.jpg", "val")]


def test_splits_and_groups_come_from_keys_of_the_images(tmp_path):
    images = [CONTENT["images"][0] | {"part": "Valid", "site": 3}]
    row = read(tmp_path, CONTENT | {"images": images}, split_key="part", group_key="site")[1]
    assert (row.split, row.group) == ("val", "3")
    with pytest.raises(InputError, match=r"a\.json image id 7: 'part' is 'x'; .*split_key to ''"):
        read(tmp_path, CONTENT | {"images": [images[0] | {"part": "x"}]}, split_key="part")


def test_real_boxes_are_those_that_pycocotools_reads():
    if not BCCD.is_dir():
        pytest.skip(f"{BCCD} does not exist: put the bccd images there")
    params = config.validate(coco.Params, PARAMS | {"file": "annotations.json"})
    own = {row.where.split()[-1]: row for row in coco.read(BCCD, params, print) if row.box}
    oracle = COCO(str(BCCD / "annotations.json"))
    assert len(own) == len(oracle.anns) == 3943
    for number, annotation in oracle.anns.items():
        row, (x, y, width, height) = own[str(number)], annotation["bbox"]
        assert row.box == (x, y, x + width, y + height)
        assert row.image == oracle.imgs[annotation["image_id"]]["file_name"]
        assert row.labels == (oracle.cats[annotation["category_id"]]["name"],)
