"""Boxes from validation to the figures on test: detections of a perturbed truth, written as `predict` would."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from counterpoise import config
from counterpoise.artifacts import (
    decision,
    detections,
    manifest,
    model,
    plots,
    positive,
    predictions,
    prior,
    scenes,
    splits,
)
from counterpoise.boxes import density
from counterpoise.calibration import prior_ledger
from counterpoise.stages import decide, evaluate
from counterpoise.storage import ArtifactError

CLASSES = ("panel", "roof")
UNKNOWN = (prior_ledger.Line("oversample.strategy", "box_repeat_factor", None),)
DECIDE = {
    "calibrator": "auto",
    "target": "natural",
    "rule": "f_beta",
    "costs": {},
    "unlabelled": "data/unlabelled",
    "beta": 1.0,
    "floor": 0.8,
    "false_alarms": 0.2,
    "at_least": 0,
    "min_positives": 10,
    "search_positives": 1000,
    "density": {},
}


def write_split(root: Path, split: str, images: int = 60) -> None:
    """Draw scenes with roofs and rare panels, move their boxes, miss some, and invent others with lower scores."""
    rng = np.random.default_rng(len(split))
    there, found, logits = [], [], np.full((images, 2), -4.6)
    for number in range(images):
        image = f"scene{number:03d}"
        for box, label in enumerate(rng.choice([1, 1, 1, 0], size=rng.integers(0, 6))):
            x, y = rng.uniform(0, 500, 2)
            corners = np.array([x, y, x + rng.uniform(20, 120), y + rng.uniform(20, 120)])
            there.append((image, image, box, CLASSES[label], *corners, int(rng.random() < 0.05)))
            for _ in range(rng.choice([0, 1, 1, 1, 2])):
                moved = np.asarray(corners + rng.normal(0, 3, 4), dtype=np.float32)
                found.append((image, CLASSES[label], *moved, np.float32(rng.normal(2, 1.5))))
        for _ in range(rng.poisson(4)):
            x, y = rng.uniform(0, 500, 2)
            moved = np.array([x, y, x + 40, y + 40], dtype=np.float32)
            found.append((image, CLASSES[rng.integers(2)], *moved, np.float32(rng.normal(-2, 1.5))))
        for index, name in enumerate(CLASSES):
            logits[number, index] = max([-4.6, *(row[-1] for row in found if row[0] == image and row[1] == name)])
    tables = detections.Tables(
        pd.DataFrame(found, columns=list(detections.FOUND)), pd.DataFrame(there, columns=list(detections.THERE))
    )
    detections.write(root, split, tables)
    ids = tuple(f"scene{number:03d}" for number in range(images))
    kept = tables.there[tables.there["ignore"] == 0]
    cells = tuple("|".join(sorted(set(kept[kept["image_id"] == image]["label"]))) for image in ids)
    predictions.write(root, split, predictions.Predictions(ids, ids, cells, CLASSES, logits.astype(np.float32)))


def write_images(root: Path, pixel_square_m: float | None = None) -> None:
    """List 60 scenes of 640 x 640 px, and how much ground a pixel shows."""
    names = [f"scene{number:03d}" for number in range(60)]
    rows = [(name, name, "", "", name, "", 640, 640, "") for name in names]
    manifest.write(root, pd.DataFrame(rows, columns=list(manifest.COLUMNS)))
    splits.write(root, pd.DataFrame({"image_id": names, "split": "test"}))
    places = scenes.empty()
    if pixel_square_m is not None:
        of_each = [(name, "EPSG:25832", 1.0, 0.0, 0.0, 0.0, -1.0, 0.0, pixel_square_m) for name in names]
        places = pd.DataFrame(of_each, columns=list(scenes.COLUMNS))
    scenes.write(root, places)


def write_problem(root: Path) -> None:
    """Write what `decide` and `evaluate` read."""
    for split in ("val", "test"):
        write_split(root, split)
    write_images(root)
    counts = (40, 120)
    prior.write(root, prior.Prior("detection", CLASSES, counts, counts, counts, 200, 200, 200, ()))
    positive.write(root, positive.Positive("panel", "as the rarest class"))
    card = model.Card(
        "detection",
        "resnet18",
        "linear",
        0.0,
        160,
        True,
        "bundled",
        CLASSES,
        "cross_entropy",
        UNKNOWN,
        pool="avg",
        hidden=512,
        width=512,
    )
    model.write(root, card, {"weight": torch.zeros(2, 2)})


@pytest.fixture
def scene_problem(tmp_path: Path) -> Path:
    write_problem(tmp_path)
    return tmp_path


def run(root: Path, **changes: Any) -> dict[str, Any]:
    asked = decide.Decide.model_validate(DECIDE | changes)
    decide.main(root, decide.Params(decide=asked, evaluate=config.Prevalences(at_prevalence=())))
    scored = evaluate.Evaluate(positive=None, at_prevalence=(), resamples=100)
    evaluate.main(root, evaluate.Params(seed=0, evaluate=scored))
    content: dict[str, Any] = json.loads((root / "reports/metrics.json").read_text())
    return content


def test_a_perturbed_truth_is_decided_and_scored_with_intervals(scene_problem: Path) -> None:
    found = run(scene_problem)
    for name in ("box_average_precision", "box_average_precision_50", "box_lrp", "box_f1"):
        low, high = found["intervals"][name]
        assert 0 < low < found[name] < high < 1
    assert found["box_average_precision"] < found["box_average_precision_50"]
    assert found["box_average_precision_50"] > 0.6
    assert len([value for value in found.values() if isinstance(value, int | float)]) <= 15
    sizes = plots.read(scene_problem, "detection_sizes").set_index(["class", "size", "measure"])["value"]
    assert sizes["", "all", "f1"] == pytest.approx(found["box_f1"], abs=1e-4)
    assert sizes["panel", "all", "precision"] > 0.5
    assert set(plots.read(scene_problem, "detection_errors")["class"]) == set(CLASSES)


def test_false_alarms_in_an_image_are_near_what_validation_allowed(scene_problem: Path) -> None:
    found = run(scene_problem, rule="false_alarms", false_alarms=0.1)
    chosen = decision.read(scene_problem).boxes
    assert chosen is not None
    assert all(false <= 0.1 * chosen.val_images for _, false, _ in chosen.val_counts)
    assert found["box_false_alarms_per_image"] < 0.5
    loose = run(scene_problem, rule="false_alarms", false_alarms=1.0)
    assert loose["box_false_alarms_per_image"] > found["box_false_alarms_per_image"]


def test_where_the_ground_is_known_false_alarms_are_counted_per_square_kilometre(scene_problem: Path) -> None:
    name = "box_false_alarms_per_square_km"
    assert name not in run(scene_problem)
    assert not (plots.read(scene_problem, "detection_sizes")["measure"] == name.removeprefix("box_")).any()
    write_images(scene_problem, 0.25)
    found = run(scene_problem)
    assert found[name] == pytest.approx(found["box_false_alarms_per_image"] / (640 * 640 * 0.25 / 1e6), rel=1e-3)
    sizes = plots.read(scene_problem, "detection_sizes").set_index(["class", "size", "measure"])["value"]
    assert sizes["panel", "all", "false_alarms_per_square_km"] > 0


def test_thresholds_follow_from_validation_alone(scene_problem: Path) -> None:
    run(scene_problem)
    before = (scene_problem / decision.PATH).read_bytes()
    write_split(scene_problem, "test", images=20)
    run(scene_problem)
    assert (scene_problem / decision.PATH).read_bytes() == before


@pytest.mark.parametrize(
    ("key", "value"), [("rule", "balanced"), ("rule", "least_cost"), ("calibrator", "temperature")]
)
def test_what_does_not_suit_boxes_is_refused(scene_problem: Path, key: str, value: str) -> None:
    with pytest.raises(config.InputError, match=rf"decide\.{key} is '{value}'|calibrator"):
        run(scene_problem, **{key: value})


def test_rarer_objects_make_each_box_less_probable_and_the_threshold_stricter(scene_problem: Path) -> None:
    def at(stated: dict[str, float]) -> decision.Boxes:
        run(scene_problem, density=stated, rule="most_probable")
        chosen = decision.read(scene_problem).boxes
        assert chosen is not None
        return chosen

    here, rare = at({}), at({"panel": 0.01})
    assert here.offset == (0.0, 0.0)
    assert rare.offset[0] == pytest.approx(np.log(0.01 * here.val_images / here.val_counts[0][2]))
    assert rare.offset[1] == 0
    assert sum(rare.val_counts[0][:2]) < sum(here.val_counts[0][:2])
    assert rare.val_counts[1] == here.val_counts[1]


def test_a_stated_density_has_its_precision(scene_problem: Path) -> None:
    run(scene_problem, density={"panel": 0.05}, rule="most_probable")
    sizes = plots.read(scene_problem, "detection_sizes").set_index(["class", "size", "measure"])["value"]
    recall, alarms = (sizes["panel", "all", name] for name in ("recall", "false_alarms_per_image"))
    assert sizes["panel", "all", "objects_per_image_stated"] == pytest.approx(0.05)
    assert sizes["panel", "all", "precision_as_stated"] == pytest.approx(
        density.precision_at(recall, alarms, 0.05), rel=1e-4
    )
    assert ("roof", "all", "precision_as_stated") not in sizes.index


@pytest.mark.parametrize(("stated", "message"), [({"pannel": 0.1}, "did you mean 'panel'"), ({"sky": 1.0}, "no class")])
def test_a_density_of_what_is_no_class_is_refused(scene_problem: Path, stated: dict[str, float], message: str) -> None:
    with pytest.raises(config.InputError, match=message):
        run(scene_problem, density=stated)


def test_boxes_of_another_run_are_refused(scene_problem: Path) -> None:
    tables = detections.read(scene_problem, "val")
    tables.found["image_id"] = "elsewhere"
    detections.write(scene_problem, "val", tables)
    with pytest.raises(ArtifactError, match=r"detections/val/detections.parquet: column 'image_id' holds 'elsewhere'"):
        run(scene_problem)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("x1_px", -1.0, "boxes have no area"),
        ("y0_px", float("-inf"), "boxes have no area or a number that is not finite"),
        ("y0_px", float("nan"), "have gaps"),
        ("ignore", 2, "must hold 0 and 1"),
        ("box", 0, "occurs twice"),
        ("label", None, "have gaps"),
    ],
)
def test_wrong_boxes_are_not_written(scene_problem: Path, column: str, value: Any, message: str) -> None:
    tables = detections.read(scene_problem, "val")
    tables = detections.Tables(tables.found, tables.there.assign(**{column: value}))
    with pytest.raises(ArtifactError, match=message):
        detections.write(scene_problem, "val", tables)


def test_images_without_boxes_have_tables_without_rows(tmp_path: Path) -> None:
    detections.write(tmp_path, "test", detections.empty())
    tables = detections.read(tmp_path, "test")
    assert tables.found.empty
    assert tables.there.empty
    found, there = detections.arrays(tables, "test", ["a"], CLASSES)
    assert found.boxes.shape == there.boxes.shape == (0, 4)
