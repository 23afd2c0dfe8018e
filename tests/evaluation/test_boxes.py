"""Figures of boxes: a perfect detector, a perturbed truth, scenes without objects, and how often intervals hold."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from tests.boxes.problems import CLASSES, IMAGES, problem

from counterpoise.artifacts import plots
from counterpoise.artifacts.metrics import Metrics
from counterpoise.boxes.average_precision import average_precision
from counterpoise.boxes.density import precision_at
from counterpoise.boxes.matching import SIZES, Detections, Truth
from counterpoise.evaluation import box_scores, box_tables
from counterpoise.evaluation.box_scores import Scenes
from counterpoise.evaluation.box_tables import ALL

NAMES = ("roof", "panel", "pool", "never there")


def scenes(detections: Detections, truth: Truth, **changes: Any) -> Scenes:
    probs = detections.scores / 2 + 0.25
    of = Scenes(detections, truth, probs, detections.scores >= 0.5, np.arange(IMAGES), NAMES[:CLASSES])
    return replace(of, **changes)


def perfect() -> Scenes:
    _, truth = problem(0)
    return scenes(Detections(truth.image, truth.label, truth.boxes, np.ones(len(truth.boxes))), truth)


def test_a_perfect_detector_scores_one_and_its_intervals_still_have_a_width() -> None:
    every = box_tables.scores(perfect())
    own = every[ALL, "all"]
    for name in ("average_precision", "average_precision_50", "average_recall", "precision", "recall", "f1"):
        value, interval = own[name]
        assert value == 1
        assert interval.low < 1 == interval.high
    assert own["lrp"][0] == own["false_alarms_per_image"][0] == 0
    assert own["lrp"][1].high > 0
    assert own["false_alarms_per_image"][1].high == pytest.approx(0.3074, abs=1e-4)  # -log(0.025) / 12


def test_counts_add_up_and_the_mean_over_classes_leaves_out_those_without_objects() -> None:
    of = scenes(*problem(1))
    every = box_tables.scores(of)
    counts = box_scores.counts(of, range(CLASSES))
    precision = counts.found.sum() / (counts.found + counts.false_alarms).sum()
    assert every[ALL, "all"]["precision"][0] == pytest.approx(precision)
    assert every[ALL, "all"]["recall"][0] == pytest.approx(counts.found.sum() / (~of.truth.ignore).sum())
    each = [every[name, "all"]["average_precision"][0] for name in NAMES]
    assert np.isnan(each[-1])
    assert every[ALL, "all"]["average_precision"][0] == pytest.approx(np.mean(each[:-1]))
    assert every["never there", "all"]["average_precision"][1].reason == box_scores.NO_OBJECTS
    for size in SIZES:
        for value, interval in every[ALL, size].values():
            assert interval.reason or interval.low <= value <= interval.high


def test_tables_hold_what_they_declare_and_can_be_written(tmp_path: Any) -> None:
    of = scenes(*problem(2), square_km=np.full(IMAGES, 0.5))
    every = box_tables.scores(of)
    tables = box_tables.tables(of, every)
    for name, table in tables.items():
        assert list(table.columns) == list(plots.COLUMNS[name])
        assert len(table)
    sizes = tables["detection_sizes"].set_index(["class", "size", "measure"])["value"]
    assert sizes[ALL, "all", "false_alarms_per_square_km"] == 2 * sizes[ALL, "all", "false_alarms_per_image"]
    assert sizes[ALL, "all", "precision_100x_rarer"] < sizes[ALL, "all", "precision_10x_rarer"]
    assert sizes[ALL, "all", "precision_10x_rarer"] < sizes[ALL, "all", "precision"]
    assert sizes["roof", "all", "no_skill_50"] < sizes["roof", "all", "average_precision_50"]
    pr, froc = tables["detection_pr"], tables["detection_froc"]
    assert pr["threshold"].groupby(pr["class"]).is_monotonic_decreasing.all()
    assert (pr["recall"] == froc["recall"]).all()
    assert all(table.empty and list(table) == list(plots.COLUMNS[name]) for name, table in box_tables.empty().items())


def test_errors_of_the_table_and_hits_are_all_that_was_decided() -> None:
    of = scenes(*problem(3))
    table = box_tables.tables(of, box_tables.scores(of))["detection_errors"]
    counts = box_scores.counts(of, range(CLASSES))
    wrong = table[~table["kind"].str.startswith("missed")]["count"].sum()
    assert wrong == counts.false_alarms.sum()
    assert table[table["kind"] == "missed"]["count"].sum() == (counts.objects - counts.found).sum()


def test_figures_of_all_classes_join_those_of_the_metrics() -> None:
    before = Metrics({"accuracy": 0.5}, {"accuracy": (0.4, 0.6)}, {}, ("a note",))
    joined = box_tables.with_boxes(before, box_tables.scores(scenes(*problem(4))))
    assert set(joined.figures) == {"accuracy", *box_tables.HEADLINES.values()}
    assert set(joined.intervals) == set(joined.figures)
    assert joined.notes == ("a note",)
    alone = scenes(*problem(4), units=np.zeros(IMAGES, dtype=int))
    lonely = box_tables.with_boxes(before, box_tables.scores(alone))
    assert set(lonely.intervals) == {"accuracy"}
    assert any(note.startswith("box_average_precision has no interval") for note in lonely.notes)


def test_scenes_without_any_box_have_no_figures_and_say_why() -> None:
    none, corners = np.zeros(0, dtype=int), np.empty((0, 4))
    of = scenes(Detections(none, none, corners, np.zeros(0)), Truth(none, none, corners, np.zeros(0, dtype=bool)))
    every = box_tables.scores(of)
    for value, interval in (every[ALL, "all"][name] for name in ("average_precision", "lrp", "precision", "f1")):
        assert np.isnan(value)
        assert interval.reason
    assert every[ALL, "all"]["false_alarms_per_image"][0] == 0
    assert box_tables.tables(of, every)["detection_pr"].empty


def test_nothing_found_scores_zero() -> None:
    _, truth = problem(0)
    none = np.zeros(0, dtype=int)
    own = box_tables.scores(scenes(Detections(none, none, np.empty((0, 4)), np.zeros(0)), truth))[ALL, "all"]
    assert [own[name][0] for name in ("average_precision", "recall", "f1", "lrp")] == [0, 0, 0, 1]
    assert own["average_precision"][1].low == 0 < own["average_precision"][1].high < 0.6
    assert np.isnan(own["precision"][0])


def test_a_class_in_a_single_unit_has_no_interval_and_widens_that_of_the_mean() -> None:
    detections, truth = problem(5)
    one = replace(truth, label=np.where(truth.image == 0, 3, truth.label))
    every = box_tables.scores(scenes(detections, one))
    assert every["never there", "all"]["average_precision"][1].reason == box_scores.FEW_UNITS
    wide, before = (
        box_tables.scores(scenes(detections, there))[ALL, "all"]["average_precision"][1] for there in (one, truth)
    )
    assert wide.high - wide.low > before.high - before.low + 0.1


def test_precision_at_the_density_of_test_is_precision_and_falls_with_rarity() -> None:
    of = scenes(*problem(6))
    counts = box_scores.counts(of, range(CLASSES))
    density = counts.objects.sum() / IMAGES
    same, rare = (box_scores.precision_at(counts, of.units, density / factor) for factor in (1, 10))
    assert same[0] == pytest.approx(box_scores.decided_scores(counts, of.units)["precision"][0])
    recall, alarms = counts.found.sum() / counts.objects.sum(), counts.false_alarms.sum() / IMAGES
    assert rare[0] == pytest.approx(precision_at(recall, alarms, density / 10))
    assert rare[1].low < rare[0] < rare[1].high < same[0]
    assert np.isnan(box_scores.precision_at(box_scores.Counts(*np.zeros((3, IMAGES))), of.units, 1.0)[0])


def test_many_units_are_left_out_in_groups() -> None:
    assert box_scores._weights(np.arange(450)).shape == (201, 450)
    assert box_scores._weights(np.repeat(np.arange(3), 2))[1:].tolist() == [
        [0, 0, 1, 1, 1, 1],
        [1, 1, 0, 0, 1, 1],
        [1, 1, 1, 1, 0, 0],
    ]


def generated(rng: np.random.Generator, images: int) -> Scenes:
    """Draw scenes in which some are hard as a whole; boxes in a row, so that each overlaps its object alone."""
    objects = rng.poisson(rng.gamma(1, 4, images))
    image = np.repeat(np.arange(images), objects)
    quality = 1 + rng.normal(0, 0.8, images)[image] + rng.normal(0, 1, len(image))
    false = rng.poisson(8 * rng.gamma(1, 1, images))
    place = np.arange(len(image)) * 100.0
    there = np.column_stack([place, place * 0, place + 40, place * 0 + 40])
    seen = quality > -0.3
    wrong = np.arange(false.sum()) * 100.0
    invented = np.column_stack([wrong, wrong * 0 + 500, wrong + 40, wrong * 0 + 540])
    scores = np.concatenate([quality[seen] + rng.normal(0, 0.5, seen.sum()), rng.normal(-0.3, 1, len(wrong))])
    of_images = np.concatenate([image[seen], np.repeat(np.arange(images), false)])
    found = Detections(of_images, np.zeros_like(of_images), np.concatenate([there[seen], invented]), scores)
    truth = Truth(image, np.zeros_like(image), there, np.zeros(len(image), dtype=bool))
    return Scenes(found, truth, scores, scores > 0.5, np.arange(images), ("panel",))


def figures(of: Scenes) -> dict[str, Any]:
    counts = box_scores.counts(of, [0])
    own = box_scores.decided_scores(counts, of.units)
    curve_scores = box_scores._mean_score(
        np.asarray(average_precision(of.curve(0), box_scores._weights(of.units)))[None],
        np.array([len(np.unique(of.truth.image))]),
    )
    return own | {
        "average_precision_50": curve_scores,
        "rare": box_scores.precision_at(counts, of.units, 0.4),
        "false_alarms": box_scores.false_alarms(counts, of.units, np.ones(len(of.units))),
    }


@cache
@cache
def the_truth() -> dict[str, float]:
    return {name: value for name, (value, _) in figures(generated(np.random.default_rng(99), 5000)).items()}


@pytest.mark.parametrize("images", [8, 25])
def test_intervals_contain_the_truth_often_enough(images: int) -> None:
    truth, rng = the_truth(), np.random.default_rng(images)
    inside: dict[str, list[bool]] = {name: [] for name in truth}
    for _ in range(300):
        for name, (_, interval) in figures(generated(rng, images)).items():
            inside[name].append(bool(interval.reason) or interval.low <= truth[name] <= interval.high)
    shares = {name: np.mean(values) for name, values in inside.items()}
    assert min(shares.values()) > 0.9, shares
