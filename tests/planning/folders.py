"""Small folders of images with labels, in the forms that people bring."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

COUNT = 40


def write_image(path: Path, number: int, side_px: int = 40) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 255, (side_px, side_px, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]], delimiter: str = ",") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])


def name_of(number: int) -> str:
    return "rare" if number % 4 == 0 else "usual"


def class_folders(folder: Path) -> None:
    for number in range(COUNT):
        write_image(folder / name_of(number) / f"{number}.png", number)


def wrapped(folder: Path) -> None:
    class_folders(folder / "images")


def split_folders(folder: Path) -> None:
    for number in range(COUNT):
        split = ("train", "train", "valid", "test")[number // 4 % 4]
        write_image(folder / split / name_of(number) / f"{number}.png", number)


def kaggle(folder: Path) -> None:
    """Ids without folder and suffix, and test images without labels."""
    for number in range(COUNT):
        write_image(folder / "train_images" / f"id{number}.png", number)
    for number in range(15):
        write_image(folder / "test_images" / f"t{number}.png", 100 + number)
    write_table(folder / "train.csv", ("id_code", "diagnosis"), [(f"id{n}", n % 4 // 3) for n in range(COUNT)])
    write_table(folder / "sample_submission.csv", ("id_code", "diagnosis"), [(f"t{n}", 0) for n in range(15)])


def groups_and_split(folder: Path) -> None:
    rows = []
    for number in range(COUNT):
        write_image(folder / "photos" / f"{number}.png", number)
        split = ("train", "val", "test")[number // 2 % 3]
        rows.append((f"photos/{number}.png", name_of(number // 2), f"p{number // 2}", split))
    write_table(folder / "meta.csv", ("file", "class", "patient_id", "subset"), rows, ";")


def folder_in_a_column(folder: Path) -> None:
    rows = []
    for number in range(COUNT):
        write_image(folder / "site_a" / name_of(number) / f"{number}.png", number)
        rows.append((f"{number}", name_of(number)))
    write_table(folder / "labels.csv", ("id", "label"), rows)


def one_hot(folder: Path) -> None:
    for number in range(COUNT):
        write_image(folder / f"{number}.png", number)
    rows = [(f"{n}.png", n % 2, int(n % 3 == 0)) for n in range(COUNT)]
    write_table(folder / "y.csv", ("file", "cat", "dog"), rows)


def joined_labels(folder: Path) -> None:
    for number in range(COUNT):
        write_image(folder / f"{number}.png", number)
    rows = [(f"{n}.png", ("a", "a,b", "b", "")[n % 4]) for n in range(COUNT)]
    write_table(folder / "tags.csv", ("file", "tags"), rows)


def unlabelled_rows(folder: Path) -> None:
    for number in range(COUNT):
        write_image(folder / f"{number}.png", number)
    write_table(folder / "y.csv", ("file", "label"), [(f"{n}.png", name_of(n) if n % 10 else "") for n in range(COUNT)])


def boxes_of(number: int) -> list[tuple[str, int, int, int, int]]:
    rng = np.random.default_rng(number)
    return [
        (("car", "bus")[int(rng.random() < 0.4)], *rng.integers(0, 60, 2).tolist(), *rng.integers(12, 30, 2).tolist())
        for _ in range(1 + number % 3)
    ]


def coco(folder: Path) -> None:
    """A JSON file per split, beside its images."""
    for split, numbers in {"train": range(24), "valid": range(24, 32), "test": range(32, 40)}.items():
        images, annotations = [], list[dict[str, object]]()
        for number in numbers:
            write_image(folder / split / f"{number}.png", number, 96)
            images.append({"id": number, "file_name": f"{number}.png", "width": 96, "height": 96})
            for name, *box in boxes_of(number):
                kind = 1 + (name == "bus")
                annotations.append({"id": len(annotations), "image_id": number, "category_id": kind, "bbox": box})
        categories = [{"id": 1, "name": "car"}, {"id": 2, "name": "bus"}]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / split / "_annotations.coco.json").write_text(json.dumps(content))


def yolo(folder: Path) -> None:
    for number in range(COUNT):
        split = "train" if number < 30 else "val"
        write_image(folder / "images" / split / f"{number}.png", number, 96)
        path = folder / "labels" / split / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            f"{int(name == 'bus')} {(x + w / 2) / 96} {(y + h / 2) / 96} {w / 96} {h / 96}"
            for name, x, y, w, h in boxes_of(number)
        ]
        path.write_text("\n".join(lines))
    (folder / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [car, bus]\n")


def voc(folder: Path) -> None:
    (folder / "Annotations").mkdir(parents=True)
    for number in range(COUNT):
        write_image(folder / "JPEGImages" / f"{number}.png", number, 96)
        objects = "".join(
            f"<object><name>{name}</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin><xmax>{x + w}</xmax>"
            f"<ymax>{y + h}</ymax></bndbox></object>"
            for name, x, y, w, h in [("car", 0, 0, 20, 20), *boxes_of(number)]
        )
        text = f"<annotation><filename>{number}.png</filename>{objects}</annotation>"
        (folder / "Annotations" / f"{number}.xml").write_text(text)


def tables_of_boxes(folder: Path) -> None:
    """A table for each image."""
    header = ("image_path", "xmin", "ymin", "xmax", "ymax", "label")
    for number in range(12):
        write_image(folder / f"s{number}.png", number, 96)
        rows = [(f"s{number}.png", x, y, x + w, y + h, name) for name, x, y, w, h in boxes_of(number)]
        write_table(folder / f"s{number}.csv", header, rows)


Expected = tuple[Callable[[Path], None], str, str, dict[str, object]]
KINDS: dict[str, Expected] = {
    "class_folders": (class_folders, "folder", "multiclass", {}),
    "wrapped": (wrapped, "folder", "multiclass", {}),
    "split_folders": (split_folders, "folder", "multiclass", {}),
    "kaggle": (
        *(kaggle, "csv", "multiclass"),
        {"file": "train.csv", "image_column": "train_images/{id_code}", "label_column": "diagnosis"},
    ),
    "groups_and_split": (
        *(groups_and_split, "csv", "multiclass"),
        {"delimiter": ";", "image_column": "file", "group_column": "patient_id", "split_column": "subset"},
    ),
    "folder_in_a_column": (folder_in_a_column, "csv", "multiclass", {"image_column": "site_a/{label}/{id}"}),
    "one_hot": (one_hot, "csv", "multilabel", {"label_columns": ["cat", "dog"]}),
    "joined_labels": (joined_labels, "csv", "multilabel", {"label_separator": ",", "label_column": "tags"}),
    "unlabelled_rows": (unlabelled_rows, "csv", "multiclass", {"label_column": "label"}),
    "coco": (coco, "coco", "detection", {"image_folder": "{folder}"}),
    "yolo": (yolo, "yolo", "detection", {"file": "data.yaml"}),
    "voc": (voc, "voc", "detection", {"images": "JPEGImages", "one_based": False}),
    "tables_of_boxes": (tables_of_boxes, "boxes_csv", "detection", {"file": "*.csv"}),
}
"""Name -> who writes the folder, and the source, the task and parameters of the source that are to be found."""
