"""Stage `ingest` on labels with boxes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from counterpoise import config
from counterpoise.artifacts import boxes, classes, manifest, rejected
from counterpoise.config import InputError
from counterpoise.stages import ingest

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
ROOT = "data/raw/own"
COCO = {"file": "a.json", "split_files": {}, "image_folder": "", "split_key": "", "group_key": ""}


def params(*, task: str = "detection", **changes: object) -> ingest.Params:
    values = {
        "root": ROOT,
        "source": "coco",
        "sources": {"coco": COCO},
        "exclude": [],
        "merge": {},
        "rare": {"min_images": 1, "action": "keep"},
        "max_rejected_frac": 1.0,
        "pixel_range": "auto",
        "bands": "auto",
        "background": "auto",
        **changes,
    }
    return config.validate(ingest.Params, {"task": task, "ingest": values})


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Write three pictures of 30 x 20 px; of the last there is no annotation, and one more that does not exist."""
    folder = tmp_path / ROOT
    folder.mkdir(parents=True)
    for number, name in enumerate("abc"):
        Image.effect_noise((30, 20), 20 + number).save(folder / f"{name}.png")
    images = [{"id": n, "file_name": f"{name}.png", "width": 30, "height": 20} for n, name in enumerate("abcd")]
    found = [
        (0, 1, [1, 2, 3, 4], 0),
        (0, 2, [10, 10, 30, 4], 0),
        (0, 1, [1, 2, 3, 4], 0),
        (1, 1, [0, 0, 30, 20], 1),
        (1, 3, [5, 5, 5, 5], 0),
        (1, 1, [5, 5, 0, 5], 0),
        (1, 9, [5, 5, 5, 5], 0),
        (3, 1, [5, 5, 5, 5], 0),
    ]
    annotations = [
        {"id": number, "image_id": image, "category_id": category, "bbox": box, "iscrowd": crowd}
        for number, (image, category, box, crowd) in enumerate(found)
    ]
    categories = [{"id": number, "name": name} for number, name in ((1, "cell"), (2, "virus"), (3, "dust"))]
    content: dict[str, Any] = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "a.json").write_text(json.dumps(content))
    return folder


def test_boxes_are_written_and_each_that_is_dropped_or_clipped_is_a_row_with_its_reason(tmp_path, raw, capsys):
    ingest.main(tmp_path, params(exclude=["dust"], merge={"small": ["virus"]}))
    where = "a.json annotation id"
    assert boxes.read(tmp_path).to_numpy().tolist() == [
        ["a.png", 0, "cell", "cell", 1, 2, 4, 6, 0, f"{where} 0"],
        ["a.png", 1, "small", "virus", 10, 10, 30, 14, 0, f"{where} 1"],
        ["b.png", 0, "cell", "cell", 0, 0, 30, 20, 1, f"{where} 3"],
        ["b.png", 1, "", "dust", 5, 5, 10, 10, 1, f"{where} 4"],
    ]
    table = manifest.read(tmp_path)
    assert dict(zip(table["image_id"], table["labels"], strict=True)) == {
        "a.png": "cell|small",
        "b.png": "",
        "c.png": "",
    }
    assert classes.read(tmp_path) == classes.Classes(("cell", "small"), (1, 1), 3)
    found = {(row["where"], row["kind"]): row["reason"] for _, row in rejected.read(tmp_path).iterrows()}
    missing = "the image does not exist; expected its path below ingest.root, with folder and suffix"
    assert {key: reason for key, reason in found.items() if not reason.startswith(missing)} == {
        (f"{where} 1", "clipped"): "clipped to its picture of 30 x 20 px: (10, 10, 40, 14) became (10, 10, 30, 14)",
        (f"{where} 2", "rejected"): f"it has class and corners of {where} 0",
        (f"{where} 4", "excluded"): "ingest.exclude names 'dust'; its place is ignored",
        (f"{where} 5", "rejected"): "the box has no area: (5, 5, 5, 10)",
        (f"{where} 6", "rejected"): "category_id 9 is the id of no category with a name",
    }
    assert {key for key, reason in found.items() if reason.startswith("the image does")} == {
        ("a.json image id 3", "rejected"),
        (f"{where} 7", "rejected"),
    }
    output = capsys.readouterr()
    assert "3 images: cell 1, small 1; 2 without a label\n2 boxes: cell 1, small 1; 2 more are ignored" in output.out
    assert "1 box is partly outside the picture" in output.err


def test_too_many_bad_boxes_stop(tmp_path, raw):
    with pytest.raises(InputError, match=r"5 of 12 rows are unusable, more than ingest\.max_rejected_frac"):
        ingest.main(tmp_path, params(max_rejected_frac=0.1))


def test_two_runs_write_the_same_bytes(tmp_path, raw):
    written = []
    for _ in range(2):
        ingest.main(tmp_path, params())
        written.append([(tmp_path / path).read_bytes() for path in (boxes.PATH, rejected.PATH, manifest.PATH)])
    assert written[0] == written[1]


def test_one_class_in_every_picture_is_enough_for_objects(tmp_path, raw):
    content = json.loads((raw / "a.json").read_text())
    content["images"] = content["images"][:1]
    content["annotations"] = content["annotations"][:1]
    (raw / "a.json").write_text(json.dumps(content))
    ingest.main(tmp_path, params())
    assert classes.read(tmp_path) == classes.Classes(("cell",), (1,), 1)


def test_boxes_may_label_images_for_a_task_without_boxes(tmp_path, raw):
    ingest.main(tmp_path, params(task="multilabel", exclude=["dust"]))
    assert manifest.read(tmp_path)["labels"].tolist() == ["cell|virus", "", ""]
    assert len(boxes.read(tmp_path)) == 4


def preset(root: Path, name: str) -> ingest.Params:
    """Put a preset and a link to its images into a folder."""
    if not (DATA / name).is_dir():
        pytest.skip(f"{DATA / name} does not exist: put the {name} images there")
    shutil.copy(REPOSITORY / "presets" / f"{name}.yaml", root / config.PATH)
    (root / "data" / "raw").mkdir(parents=True)
    (root / "data" / "raw" / name).symlink_to(DATA / name)
    return config.read(root, ingest.Params)


def test_the_preset_of_blood_cells_reads_all_but_two_boxes_without_area(tmp_path):
    ingest.main(tmp_path, preset(tmp_path, "bccd"))
    assert boxes.read(tmp_path)["label"].value_counts().to_dict() == {"RBC": 3348, "WBC": 301, "Platelets": 292}
    assert manifest.read(tmp_path)["split"].value_counts().to_dict() == {"train": 205, "val": 87}
    assert rejected.read(tmp_path)["reason"].str.startswith("the box has no area").tolist() == [True, True]


@pytest.mark.slow
def test_the_preset_of_aircraft_merges_both_classes(tmp_path):
    ingest.main(tmp_path, preset(tmp_path, "aircraft"))
    found = boxes.read(tmp_path)
    assert found["label"].value_counts().to_dict() == {"airplane": 1139}
    assert found["raw_label"].value_counts().to_dict() == {"Airplane": 1103, "Truncated_airplane": 36}
    assert classes.read(tmp_path) == classes.Classes(("airplane",), (35,), 35)
