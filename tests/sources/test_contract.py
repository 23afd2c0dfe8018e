"""What holds for every source: a new one without an example fails here."""

import csv
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import globox
import numpy as np
import pytest
import rasterio
import rasterio.features
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rasterio.windows import from_bounds
from tests.sources import formats

from counterpoise import config, sources
from counterpoise.config import InputError, Section
from counterpoise.dataset import box_curation, curation
from counterpoise.dataset.decoding import Decoded
from counterpoise.dataset.pixels import Seen

LABELS = {"a.png": "roof", "b, é.png": "NA", "deep/c.png": "roof"}


def write_csv(root: Path) -> dict[str, str]:
    with (root / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("image", "label"), *LABELS.items()])
    return LABELS


def write_folder(root: Path) -> dict[str, str]:
    labels = {f"{label}/{image}": label for image, label in LABELS.items()}
    for image in labels:
        (root / image).parent.mkdir(parents=True, exist_ok=True)
        (root / image).touch()
    return labels


CSV: dict[str, object] = {
    "file": "labels.csv",
    "image_column": "image",
    "label_column": "label",
    "label_columns": [],
    "label_separator": "|",
    "join_columns": [],
    "group_column": "",
    "split_column": "",
    "delimiter": ",",
}


def write_boxes(name: str) -> Callable[[Path], dict[str, str]]:
    def write(root: Path) -> dict[str, str]:
        labels = {Path(image).with_suffix(".tif").as_posix(): label for image, label in LABELS.items()}
        formats.WRITERS[name](root, {image: ((20, 10), [(label, BOX)]) for image, label in labels.items()})
        return {f"images/{image}": label for image, label in labels.items()} if name == "yolo" else labels

    return write


def parameters(name: str) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        return dict(formats.WRITERS[name](Path(folder), {}))


BOX = (1.0, 2.0, 5.0, 4.0)
EXAMPLES: dict[str, tuple[dict[str, object], Callable[[Path], dict[str, str]]]] = {
    "csv": (CSV, write_csv),
    "folder": ({}, write_folder),
    **{name: (parameters(name), write_boxes(name)) for name in formats.WRITERS},
}
every = pytest.mark.parametrize("name", sources.names())


def settings(name: str) -> Section:
    return config.validate(sources.find(name).Params, EXAMPLES[name][0])


def test_every_source_has_an_example():
    assert sources.names() == sorted(EXAMPLES)


@every
def test_every_source_declares_strict_parameters_with_a_docstring_each(name):
    params = sources.find(name).Params
    assert issubclass(params, Section)
    assert params.model_config["extra"] == "forbid"
    assert all(field.description for field in params.model_fields.values())


@every
def test_every_source_reads_its_example_twice_alike(tmp_path, name):
    labels = EXAMPLES[name][1](tmp_path)
    found = sources.find(name).read(tmp_path, settings(name), print)
    assert {row.image: row.labels for row in found} == {image: (label,) for image, label in labels.items()}
    assert all(row.where and "\\" not in row.image for row in found)
    assert sources.find(name).read(tmp_path, settings(name), print) == found


@every
def test_every_source_refuses_an_absent_folder_in_words_for_the_user(tmp_path, name):
    with pytest.raises(InputError, match=r"ingest\.root"):
        sources.find(name).read(tmp_path / "absent", settings(name), print)


def test_an_unknown_source_is_refused_with_the_one_that_was_meant():
    with pytest.raises(InputError, match=r"ingest\.source is 'foldr'; .* did you mean 'folder'\?"):
        sources.find("foldr")


with_boxes = pytest.mark.parametrize("name", sorted(formats.WRITERS))


def test_the_sources_that_give_boxes_say_so():
    assert [name for name in sources.names() if sources.find(name).GIVES_BOXES] == sorted(formats.WRITERS)


@st.composite
def scenes(draw: st.DrawFn) -> formats.Scenes:
    """Up to three pictures with up to four boxes each, of which corners are eighths of a pixel."""
    found: formats.Scenes = {}
    for number in range(draw(st.integers(1, 3))):
        size = (draw(st.integers(2, 400)), draw(st.integers(2, 400)))
        boxes = []
        for _ in range(draw(st.integers(0, 4))):
            corners = [
                sorted(draw(st.lists(st.integers(0, 8 * side), min_size=2, max_size=2, unique=True))) for side in size
            ]
            (x0, x1), (y0, y1) = [[end / 8 for end in ends] for ends in corners]
            boxes.append((draw(st.sampled_from(["roof", "dächer & so", "1"])), (x0, y0, x1, y1)))
        found[f"{number}.tif"] = (size, list(dict.fromkeys(boxes)))
    return found


@with_boxes
@given(scenes=scenes())
def test_boxes_return_exactly_from_every_format(name, scenes):
    """A file is written by the test's own code, read and curated; pictures without boxes return as such."""
    with tempfile.TemporaryDirectory() as place:
        params = config.validate(sources.find(name).Params, formats.WRITERS[name](Path(place), scenes))
        rows = sources.find(name).read(Path(place), params, print)
    images, refused = curation.join(rows, "detection")
    below = "images/" if name == "yolo" else ""
    empty = np.zeros((32, 32), np.uint8)
    decoded = {
        below + image: Decoded(size[0], size[1], "", empty, Seen("8 bits", 0, 0, 0, "none", None))
        for image, (size, _) in scenes.items()
    }
    curated = box_curation.curate(images, decoded)
    assert (refused, curated.refused) == ([], ())
    found = {image.image: [(box.label, box.corners) for box in image.boxes] for image in curated.images}
    assert found == {below + image: boxes for image, (_, boxes) in scenes.items()}


Read = dict[str, Sequence[tuple[str, tuple[float, ...]]]]
"""Name of a picture without folder and suffix -> class and corners of its boxes, as a public reader gives them."""


def globox_boxes(name: str, root: Path) -> Read:
    """Read by globox, which takes the numbers of VOC as they stand: counted from 1, with the last pixel inside."""
    if name == "coco":
        found = globox.AnnotationSet.from_coco(root / "annotations.json")
    elif name == "voc":
        found = globox.AnnotationSet.from_pascal_voc(root / "Annotations")
    else:
        found = globox.AnnotationSet.from_yolo_darknet(
            root / "labels", image_folder=root / "images", image_extension=".tif"
        )
    first = 1 if name == "voc" else 0
    return {
        Path(one.image_id).stem: [
            (str(box.label), tuple(np.subtract(box.ltrb, (first, first, 0, 0)).tolist())) for box in one.boxes
        ]
        for one in found
    }


def rasterio_boxes(root: Path) -> Read:
    """Place the bounds of every polygon in its picture by rasterio."""
    read: Read = {}
    for path in root.glob("*.geojson"):
        with rasterio.open(path.with_suffix(".tif")) as raster:
            features = json.loads(path.read_text())["features"]
            bounds = [from_bounds(*rasterio.features.bounds(one["geometry"]), raster.transform) for one in features]
        kinds = [one["properties"]["kind"] for one in features]
        read[path.stem] = [
            (kind, (one.col_off, one.row_off, one.col_off + one.width, one.row_off + one.height))
            for kind, one in zip(kinds, bounds, strict=True)
        ]
    return read


@pytest.mark.parametrize("name", ["coco", "voc", "yolo", "geojson"])
def test_boxes_are_those_that_a_public_reader_finds(tmp_path, name):
    rng = np.random.default_rng(0)
    scenes: formats.Scenes = {}
    for number in range(5):
        width, height = (int(side) for side in rng.integers(20, 400, 2))
        ends_x, ends_y = (np.sort(rng.choice(side + 1, (4, 2)), axis=1).astype(float) for side in (width, height))
        boxes = [
            (str(rng.choice(["roof", "car"])), (float(x[0]), float(y[0]), float(x[1]), float(y[1])))
            for x, y in zip(ends_x, ends_y, strict=True)
            if x[0] < x[1] and y[0] < y[1]
        ]
        scenes[f"{number}.tif"] = ((width, height), boxes)
    params = config.validate(sources.find(name).Params, formats.WRITERS[name](tmp_path, scenes))
    if name == "yolo":
        for image, (size, _) in scenes.items():
            Image.new("L", size).save(tmp_path / "images" / image)
    own: dict[str, list[tuple[str, tuple[float, ...]]]] = {image.removesuffix(".tif"): [] for image in scenes}
    for row in sources.find(name).read(tmp_path, params, print):
        if row.box is not None:
            stem, (width, height) = Path(row.image).stem, scenes[Path(row.image).name][0]
            scale = (width, height, width, height) if row.unit == "frac" else (1, 1, 1, 1)
            label = sorted({"unused", "roof", "car"}).index(row.labels[0]) if name == "yolo" else row.labels[0]
            own[stem].append((str(label), tuple(np.multiply(row.box, scale).tolist())))
    public = rasterio_boxes(tmp_path) if name == "geojson" else globox_boxes(name, tmp_path)
    assert sum(map(len, own.values())) > 15
    assert {image for image, boxes in own.items() if boxes} <= set(public)
    for image, found in own.items():
        assert [label for label, _ in found] == [label for label, _ in public.get(image, [])]
        for (_, mine), (_, theirs) in zip(found, public.get(image, []), strict=True):
            assert mine == pytest.approx(theirs, abs=1e-6)
