"""What holds for every artifact: found by itself, so that a new module without an example fails here."""

import dataclasses
import importlib
import json
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from counterpoise import artifacts, storage
from counterpoise.artifacts import (
    boxes,
    classes,
    clusters,
    code_lists,
    decision,
    detections,
    draws,
    features,
    manifest,
    metrics,
    model,
    params_ok,
    pixels,
    plots,
    positive,
    predictions,
    prior,
    rejected,
    scenes,
    splits,
    thumbnails,
    tile_boxes,
    tiles,
    training,
    unlabelled,
)
from counterpoise.calibration import prior_ledger
from counterpoise.images import Pixels
from counterpoise.storage import ArtifactError


@dataclass(frozen=True)
class Example:
    """How to write an artifact, how to read all of it, and what should be read."""

    write: Callable[[Path], object]
    read: Callable[[Path], Any]
    expected: Any
    read_file: Callable[[Path, str], Any] | None = None
    """Read what one file holds, by its stem, where `read` reads many files that have nothing to do with one another."""


LEDGER = (prior_ledger.Line("oversample.strategy", "over", (1.0, 2.5)), prior_ledger.Line("loss", "focal", None))
CLASSES = ("Dächer, alt", "NA")

TABLES: dict[Any, list[Any]] = {
    boxes: [
        ("a.png", 0, "NA", "nan", 0.1 + 0.2, 0.0, 3.0, 1e-3, 0, "a.xml, 1"),
        ("é", 4, "x", "x", 1.0, 2.0, 3.0, 4.0, 1, ""),
    ],
    clusters: [("a.png", "a.png", "a.png", "single", 1.0), ("b, c.png", "a.png", "a.png", "near", 0.1 + 0.2)],
    draws: [("a.png", 0), ("a.png", 2), ("b.png@0,16", 0)],
    manifest: [
        ("NA.png", "raw/NA.png", "NA", "nan", "null", "", 30, 20, "00ff"),
        ('é, "x".png', 'raw/é, "x".png', "Dächer, alt", "Dächer|x", "two\nlines", "val", 3, 4, "11"),
    ],
    rejected: [("labels.csv row 2", "", "rejected", "the row names no image")],
    scenes: [("NA.tif", "EPSG:25832", 0.5, 0.0, 5e5, 0.0, -0.5, 5.5e6, 0.1 + 0.2)],
    splits: [("NA", "train"), ("b", "val"), ("c", "test"), ("d", "unused")],
}


def table_example(module: Any, rows: list[Any]) -> Example:
    table = pd.DataFrame(rows, columns=list(module.COLUMNS))
    return Example(lambda root: module.write(root, table), module.read, table)


def write_tiles(root: Path) -> None:
    with tiles.writing(root, "train") as append:
        for tile in TILES:
            append(tile)


def read_tiles(root: Path) -> list[tiles.Tile]:
    found = tiles.read(root, "train")
    rows = zip(found.table["tile_id"], found.table["image_id"], found.table["labels"], strict=True)
    windows = found.table[["x0_px", "y0_px", "x1_px", "y1_px"]].to_numpy().tolist()
    return [
        tiles.Tile(*names, tuple(window), found.load(row))
        for row, (names, window) in enumerate(zip(rows, windows, strict=True))
    ]


RNG = np.random.default_rng(0)
TILES = [
    tiles.Tile(f"{name}.png@0,{y0}", f"{name}.png", "NA", (0, y0, 16, y0 + 16), RNG.bytes(9000 + y0))
    for name in ("a" * 150, "é, b")
    for y0 in (0, 8)
]
PLOTS = {
    "confusion": pd.DataFrame({"actual": ["NA"], "decided": ["Dächer, alt"]}),
    "precision_recall": pd.DataFrame({"recall": [0.5], "precision": [0.25], "threshold": [0.125]}),
    "calibration": pd.DataFrame(
        {
            "way": ["raw"],
            "predicted": [0.5],
            "observed": [0.25],
            "low": [0.0],
            "high": [np.nan],
            "count": [4],
            "units": [1],
        }
    ),
    "classes": pd.DataFrame(
        {
            "class": ["NA", "Dächer, alt"],
            "measure": ["recall", "precision"],
            "value": [0.5, np.nan],
            "low": [0.25, np.nan],
            "high": [0.75, np.nan],
            "count": [4, 0],
            "units": [3, 0],
            "no_skill": [np.nan, 0.125],
        }
    ),
    "scores": pd.DataFrame({"way": ["raw"], "figure": ["accuracy"], "value": [0.5], "low": [0.25], "high": [0.75]}),
    "differences": pd.DataFrame(
        {
            "figure": ["accuracy"],
            "before": ["raw"],
            "after": ["decided"],
            "value": [-0.5],
            "low": [np.nan],
            "high": [np.nan],
        }
    ),
    "prevalence": pd.DataFrame(
        {
            "place": ["stated"],
            "prevalence": [0.0625],
            "way": ["as it is"],
            "figure": ["precision"],
            "value": [np.nan],
            "low": [0.0],
            "high": [1.0],
        }
    ),
    "detection_pr": pd.DataFrame({"class": ["NA"], "recall": [0.5], "precision": [0.25], "threshold": [0.125]}),
    "detection_froc": pd.DataFrame({"class": ["NA"], "false_alarms": [1.5], "recall": [0.25], "threshold": [0.125]}),
    "detection_sizes": pd.DataFrame(
        {
            "class": ["", "NA"],
            "size": ["all", "small"],
            "measure": ["lrp", "recall"],
            "value": [0.5, np.nan],
            "low": [0.25, np.nan],
            "high": [0.75, np.nan],
            "objects": [4, 0],
            "units": [3, 0],
        }
    ),
    "detection_errors": pd.DataFrame({"class": ["NA"], "kind": ["both"], "count": [3], "images": [2], "units": [1]}),
    "prevalence_grid": pd.DataFrame(
        {"prevalence": [0.05], "figure": ["precision"], "value": [0.5], "low": [np.nan], "high": [0.75]}
    ),
}
CARD = model.Card(
    "multiclass",
    "resnet18",
    "linear",
    0.2,
    160,
    True,
    "bundled",
    CLASSES,
    "focal",
    LEDGER,
    pool="avg",
    hidden=512,
    width=512,
)
DETECTIONS = detections.Tables(
    pd.DataFrame(
        [("NA", "Dächer, alt", 0.5, 0.0, 3.0, 2.0, 1.5), ("é", "NA", 0.0, 0.0, 1.0, 1.0, -2.0)],
        columns=list(detections.FOUND),
    ),
    pd.DataFrame([("NA", "", 0, "NA", 0.1 + 0.2, 0.0, 3.0, 1e-3, 1)], columns=list(detections.THERE)),
)
WEIGHTS = {"head.weight": torch.arange(6.0).reshape(2, 3).T, "head.bias": torch.tensor([0.5, -1.0])}


HISTORY = [{"train/loss": 0.75, "val/loss": 1.5}, {"train/loss": 0.5, "val/loss": 1.25}]


PIXELS = Pixels({"integer": (0.0, 4095.0)}, (3, 1, 0), 255, False, "found")
EXAMPLES: dict[str, Example] = {
    "pixels": Example(lambda root: pixels.write(root, PIXELS), pixels.read, PIXELS),
    **{module.__name__.rpartition(".")[2]: table_example(module, rows) for module, rows in TABLES.items()},
    "classes": Example(
        lambda root: classes.write(root, classes.Classes(CLASSES, (40, 2), 41)),
        classes.read,
        classes.Classes(CLASSES, (40, 2), 41),
    ),
    "code_lists": Example(
        lambda root: code_lists.write(root, {"train": [], "report": []}),
        lambda root: {path.name: path.read_text() for path in (root / code_lists.FOLDER).iterdir()},
        {"train.txt": "", "report.txt": ""},
    ),
    "decision": (lambda found: Example(lambda root: decision.write(root, found), decision.read, found))(
        decision.Decision(
            task="multiclass",
            classes=CLASSES,
            positive=CLASSES[1],
            positive_reason="as the rarest class",
            calibrator="isotonic",
            pooled=(CLASSES[1],),
            scale=(0.1 + 0.2, 0.3),
            bias=(0.0, 0.0),
            ledger=LEDGER,
            natural=(0.9, 0.1),
            seen=None,
            val=(0.9, 0.1),
            target=(0.5, 0.5),
            val_offset=(0.0, 0.0),
            target_offset=(-0.6, 1.6),
            rule="balanced",
            gain=((1.0, 0.0), (0.0, 9.0)),
            thresholds=(),
            at_least=0,
            val_images=(9, 1),
            val_total=10,
            val_decided=((8, 0, 1, 1), (1, 1, 0, 8)),
            val_raw=((8, 0, 1, 1), (1, 1, 0, 8)),
            val_decided_effects=(1.0, 1.0),
            val_raw_effects=(1.0, 1.0),
            prevalences=(decision.Moved(0.05, (0.95, 0.05), (0.1, -0.7), ((1.0, 0.0), (0.0, 19.0)), ()),),
            knots=(((-1.5, 0.1 + 0.2), (1e-300, 0.9)), ((), ())),
        )
    ),
    "detections": Example(
        lambda root: detections.write(root, "val", DETECTIONS),
        lambda root: detections.read(root, "val"),
        DETECTIONS,
    ),
    "features": (
        lambda found: Example(
            lambda root: features.write(root, "val", found), lambda root: features.read(root, "val"), found
        )
    )(
        features.Features(
            pd.DataFrame({"tile_id": ["NA", "NA", "b"], "view": [0, 1, 0]}),
            RNG.normal(size=(3, 50)).astype(np.float32),
        )
    ),
    "metrics": (lambda found: Example(lambda root: metrics.write(root, found), metrics.read, found))(
        metrics.Metrics(
            {"balanced_accuracy": 0.8125, "images": 525},
            {"balanced_accuracy": (0.75, 0.875)},
            {"test_images": (525, 498)},
            ("é: none",),
        )
    ),
    "positive": Example(
        lambda root: positive.write(root, positive.Positive(CLASSES[1], "as the rarest class")),
        positive.read,
        positive.Positive(CLASSES[1], "as the rarest class"),
    ),
    "model": Example(
        lambda root: model.write(root, CARD, WEIGHTS),
        lambda root: (model.read_card(root), {name: value.numpy() for name, value in model.read_weights(root).items()}),
        (CARD, {name: value.numpy() for name, value in sorted(WEIGHTS.items())}),
    ),
    "params_ok": Example(params_ok.write, lambda root: (root / params_ok.PATH).read_text(), "ok\n"),
    "plots": Example(
        lambda root: plots.write(root, PLOTS),
        lambda root: {name: plots.read(root, name) for name in PLOTS},
        PLOTS,
        lambda root, name: {name: plots.read(root, name)},
    ),
    "predictions": (
        lambda found: Example(
            lambda root: predictions.write(root, "test", found), lambda root: predictions.read(root, "test"), found
        )
    )(
        predictions.Predictions(
            ("NA", "é, b"), ("null", ""), ("NA", "Dächer, alt"), CLASSES, RNG.normal(size=(2, 2)).astype(np.float32)
        )
    ),
    "prior": (lambda found: Example(lambda root: prior.write(root, found), prior.read, found))(
        prior.Prior(
            "multilabel", CLASSES, (40, 2), (20, 1), (20, 20), 41, 20, 30, LEDGER, ((0, 1), (1, 0)), ((0, 9), (9, 0))
        )
    ),
    "thumbnails": (lambda found: Example(lambda root: thumbnails.write(root, found), thumbnails.read, found))(
        RNG.integers(0, 256, (3, 32, 32), dtype=np.uint8)
    ),
    "tile_boxes": (
        lambda found: Example(
            lambda root: tile_boxes.write(root, "val", found), lambda root: tile_boxes.read(root, "val"), found
        )
    )(
        pd.DataFrame(
            [
                ("a.png@0,8", "a.png", 0, "NA", 0.1 + 0.2, 0.0, 3.0, 1.0, 1.0, 0),
                ("a.png@8,8", "a.png", 0, "NA", 0.0, 0.0, 1.5, 1.0, 0.3, 1),
            ],
            columns=list(tile_boxes.COLUMNS),
        )
    ),
    "tiles": Example(write_tiles, read_tiles, TILES),
    "unlabelled": (
        lambda found: Example(
            lambda root: unlabelled.write(root / unlabelled.FOLDER / "there.parquet", found),
            lambda root: unlabelled.read(root, unlabelled.FOLDER),
            found,
        )
    )(unlabelled.Unlabelled(("NA", "é, b"), CLASSES, RNG.normal(size=(2, 2)).astype(np.float32), "f00d")),
    "training": Example(
        lambda root: training.write(root, HISTORY, {"best_epoch": 1}),
        lambda root: (training.read(root), training.best_epoch(root)),
        (pd.DataFrame({"step": [0, 1], "train/loss": [0.75, 0.5], "val/loss": [1.5, 1.25]}), 1),
    ),
}
READABLE = [name for name in EXAMPLES if name not in ("code_lists", "params_ok")]  # only DVC reads them


def plain(value: Any) -> Any:
    """Turn what a reader returns into something that `==` compares whole."""
    if isinstance(value, pd.DataFrame):
        return [list(value.columns), [[plain(cell) for cell in row] for row in value.to_numpy().tolist()]]
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.shape, value.tolist()]
    if isinstance(value, float) and np.isnan(value):
        return "undefined"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value)]
        return type(value).__name__, {name: plain(getattr(value, name)) for name in fields}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(item) for item in value)
    return value


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files(root)}


def test_every_artifact_has_an_example():
    assert sorted(EXAMPLES) == sorted(module.name for module in pkgutil.iter_modules(artifacts.__path__))


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_written_is_read(tmp_path, name):
    example = EXAMPLES[name]
    example.write(tmp_path)
    assert plain(example.read(tmp_path)) == plain(example.expected)


@pytest.mark.parametrize("name", EXAMPLES)
def test_equal_content_is_equal_bytes_and_writing_again_leaves_nothing_behind(tmp_path, name):
    example = EXAMPLES[name]
    for root in ("first", "second", "second"):
        example.write(tmp_path / root)
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


@pytest.mark.parametrize(
    "name", [*(m.__name__.rpartition(".")[2] for m in TABLES), "classes", "decision", "metrics", "prior"]
)
def test_what_is_read_can_be_written_again_as_the_same_bytes(tmp_path, name):
    module = importlib.import_module(f"{artifacts.__name__}.{name}")
    EXAMPLES[name].write(tmp_path / "first")
    module.write(tmp_path / "second", module.read(tmp_path / "first"))
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


@pytest.mark.parametrize("name", READABLE)
def test_nothing_at_all_is_refused(tmp_path, name):
    with pytest.raises(ArtifactError):
        EXAMPLES[name].read(tmp_path)


@pytest.mark.parametrize("name", READABLE)
def test_each_missing_file_is_refused(tmp_path, name):
    EXAMPLES[name].write(tmp_path)
    for path, data in ((path, path.read_bytes()) for path in files(tmp_path)):
        path.unlink()
        with pytest.raises(ArtifactError):
            EXAMPLES[name].read(tmp_path)
        path.write_bytes(data)
    EXAMPLES[name].read(tmp_path)


def damages(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Damage a file as disks, transfers and people do, in ways that change what it says."""
    yield "empty", b""
    yield "cut", data[: len(data) // 2].rstrip(b"\n")
    yield "one byte short", data[:-1]
    lines = data.splitlines(keepends=True)
    if len(lines) > 1:
        yield "cut at a line end", b"".join(lines[:-1])
    places = sorted({round(share * (len(data) - 1)) for share in np.linspace(0, 1, 40)})
    for place in places:
        for mask in (1, 0x80):
            yield f"byte {place} flipped by {mask}", data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]
    yield "zeros", bytes(len(data))
    yield "another file", b"word\n"


@pytest.mark.parametrize("name", READABLE)
def test_damage_of_any_kind_is_refused_with_the_name_of_the_file_and_a_way_out(tmp_path, name):
    """Or nothing is lost: some bytes, such as padding, say nothing, so that what was written is read."""
    example = EXAMPLES[name]
    example.write(tmp_path)
    written, refused = plain(example.read(tmp_path)), 0
    for path in files(tmp_path):
        data, named = path.read_bytes(), 0
        for kind, damaged in damages(data):
            path.write_bytes(damaged)
            message = ""
            try:
                if example.read_file and path.suffix != ".sums":
                    found = written | plain(example.read_file(tmp_path, path.stem))
                else:
                    found = plain(example.read(tmp_path))
            except ArtifactError as error:
                message = str(error)
            if message:
                assert re.search(r"`dvc (repro|checkout|pull)|write it again", message), f"{path}, {kind}: {message}"
                named += path.name in message
                refused += 1
            else:
                assert found == written, f"{path}, {kind}: read as something else"
        path.write_bytes(data)
        assert named, f"{path}: no message names the file"
    assert refused > 10
    assert plain(example.read(tmp_path)) == written


@pytest.mark.parametrize("name", [name for name in READABLE if name != "unlabelled"])  # its sum lies inside the file
def test_every_file_stands_in_a_file_of_sums_of_the_stage_that_writes_it(tmp_path, name):
    EXAMPLES[name].write(tmp_path)
    sums = [path for path in files(tmp_path) if path.suffix == ".sums"]
    listed = {path.parent / name for path in sums for name in storage.names_in(path)}
    shards = {path for path in files(tmp_path) if path.suffix == ".tar"}  # summed tile by tile, in tiles.csv
    assert {*listed, *shards, *sums} == set(files(tmp_path))
    pipeline = yaml.safe_load((Path(__file__).parents[2] / "dvc.yaml").read_text())["stages"]
    for path in sums:
        stage = pipeline[path.name.split(".")[0]]
        entries = [*stage["outs"], *stage.get("metrics", [])]
        outs = [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]
        place = path.relative_to(tmp_path)
        assert any(place.is_relative_to(out) for out in outs), f"{place} is no output of {stage['cmd']}"


@pytest.mark.parametrize("name", READABLE)
def test_tables_with_another_column_or_one_less_are_refused(tmp_path, sign, name):
    EXAMPLES[name].write(tmp_path)
    for path, text in ((path, path.read_text("utf-8")) for path in files(tmp_path) if path.suffix == ".csv"):
        header, _, rest = text.partition("\n")
        for damaged in (f"x{header}\n{rest}", f"{header},more\n{rest}", f"{header.rpartition(',')[0]}\n{rest}"):
            path.write_text(damaged, encoding="utf-8")
            sign(path)
            with pytest.raises(ArtifactError):
                EXAMPLES[name].read(tmp_path)
        path.write_text(text, encoding="utf-8")
        sign(path)


@pytest.mark.parametrize("name", [name for name in READABLE if name != "training"])  # DVCLive decides its keys
def test_json_of_another_shape_or_with_a_part_missing_is_refused(tmp_path, sign, name):
    EXAMPLES[name].write(tmp_path)
    for path, text in ((path, path.read_text("utf-8")) for path in files(tmp_path) if path.suffix == ".json"):
        content = json.loads(text)
        damaged: list[object] = [None, [], "text", 3, {}]
        if name == "metrics":
            content = {key: content[key] for key in ("intervals", "notes")}  # figures may be left out
        for key in content:
            damaged.append({other: value for other, value in content.items() if other != key})
            if isinstance(content[key], list | dict):
                damaged.append({**content, key: None})
        for value in damaged:
            path.write_text(json.dumps(value), encoding="utf-8")
            sign(path)
            with pytest.raises(ArtifactError):
                EXAMPLES[name].read(tmp_path)
        path.write_text(text, encoding="utf-8")
        sign(path)


@pytest.mark.parametrize("module", TABLES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_tables_of_other_columns_are_not_written(tmp_path, module):
    table = pd.DataFrame(TABLES[module], columns=list(module.COLUMNS))
    for column in module.COLUMNS:
        with pytest.raises(ArtifactError):
            module.write(tmp_path, table.drop(columns=column))
    with pytest.raises(ArtifactError):
        module.write(tmp_path, table.assign(more=1))
    assert files(tmp_path) == []


@pytest.mark.parametrize("module", [clusters, manifest, splits], ids=["clusters", "manifest", "splits"])
def test_tables_of_images_refuse_an_image_that_stands_twice(tmp_path, sign, module):
    table = pd.DataFrame([TABLES[module][0]] * 2, columns=list(module.COLUMNS))
    with pytest.raises(ArtifactError, match="occur twice"):
        module.write(tmp_path, table)
    module.write(tmp_path, table[:1])
    with (tmp_path / module.PATH).open("a", encoding="utf-8") as file:
        table[:1].to_csv(file, header=False, index=False, lineterminator="\n")
    sign(tmp_path / module.PATH)
    with pytest.raises(ArtifactError, match="occur twice"):
        module.read(tmp_path)
