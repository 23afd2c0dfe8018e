"""The page, the advice and the paragraph for a pull request, of studies whose verdicts are given."""

import json
import math
import re
from dataclasses import replace
from typing import Any, get_args
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from counterpoise.report.charts import render as rendering
from counterpoise.study import advice, charts, page, results, summary
from counterpoise.study.arms import Study
from counterpoise.study.results import Confirmation, Row, Summary
from counterpoise.study.verdicts import Estimate, NoVerdict, Verdict, Word, judge

STUDY = Study(
    seed=0, folds=5, repeats=2, figure="balanced_accuracy", view="decided", margin=0.05, every={}, arms={"a": {}}
)
MEANS = {
    view: {"balanced_accuracy": value, "average_precision": 0.2, "log_loss": loss, "calibration_error": 0.02}
    for view, value, loss in (("raw", 0.5, 0.4), ("calibrated", 0.5, 0.3), ("decided", 0.6, 0.3))
}


def verdict(difference: float, se: float = 0.01) -> Verdict:
    found = judge(Estimate(difference, se**2 / 2, se**2 / 2, 84, 10), comparisons=4)
    assert isinstance(found, Verdict)
    return found


def study(**changes: Any) -> Summary:
    """Four arms with the four words, one that failed, and two controls."""
    rows = (
        Row("plain", None, {"loss": "cross_entropy"}, None, MEANS),
        Row("up <b>&", "plain", {"loss": "focal"}, verdict(0.08), MEANS),
        Row("down", "plain", {"loss": "focal"}, verdict(-0.08), MEANS),
        Row("same", "plain", {"loss": "cross_entropy"}, verdict(0.0), MEANS),
        Row("unknown", "adamw", {"loss": "ldam"}, verdict(0.02, 0.03), MEANS),
        Row("diverged", "adamw", {"loss": "ohem"}, NoVerdict("a training failed: the loss is not a number"), {}),
        Row("adamw", None, {"loss": "cross_entropy"}, None, MEANS),
    )
    made = Summary(
        "roofs", STUDY, 2099, "solar", "defective", 84, 5, rows, Confirmation("up <b>&", "plain", verdict(0.1, 0.1))
    )
    return replace(made, **changes)


def words_of(html: str) -> str:
    """The text of a page, without scripts and styles."""
    body = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", html.partition("<body>")[2], flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", body)).replace("\u00a0", " ")


@pytest.fixture(scope="module")
def html() -> str:
    return page.render(study())


def test_the_page_is_one_file_and_its_charts_are_pictures_without_scripts(html: str) -> None:
    assert "default-src 'none'" in html
    without_scripts = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    assert not re.findall(r'(?:src|href)="(?!#|data:)', without_scripts)
    pictures = re.findall(r"<svg .*?</svg>", without_scripts)
    assert len(pictures) == 7, "differences, views and calibration by control, and power"
    for picture in pictures:
        assert ElementTree.fromstring(picture).attrib["aria-label"]


def test_the_page_says_what_to_do_first(html: str) -> None:
    text = words_of(html)
    assert "What should I do? Use up &lt;b&gt;&amp;: its balanced accuracy is better than that of plain." in text
    assert "in 4 of 5 cases, for an arm whose interval has the median width; four times as many images would" in text
    assert "<b>" not in html.partition("<main>")[2], "names are escaped"


def test_every_arm_and_its_verdict_are_on_the_page(html: str) -> None:
    text = words_of(html)
    for row in study().rows:
        assert row.name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in text
    for word in ("better", "worse", "equivalent", "undecided"):
        assert f"{word}: the interval [" in text
    assert "no verdict: a training failed: the loss is not a number" in text


def test_no_single_interval_is_said_to_be_one_of_95_percent(html: str) -> None:
    """Each alone covers the truth more often, so that all do together."""
    text = words_of(html)
    assert "With 95 % confidence, all 5 intervals contain the true differences." in text
    assert "95 % interval" not in text


def test_a_difference_that_rounds_to_0_has_no_sign(html: str) -> None:
    assert "raw 0.000, decided 0.000" in html
    assert not re.search(r"[+−-]0\.000(?!\d)", words_of(html))


def test_equal_studies_give_equal_pages(html: str) -> None:
    assert page.render(study()) == html


def test_without_a_winner_the_control_is_kept_and_test_is_not_mentioned() -> None:
    rows = tuple(row for row in study().rows if not row.name.startswith("up"))
    kept = study(rows=rows, comparisons=4, confirmation=None)
    assert advice.advice(kept)[0] == (
        "Keep the control (`plain`, with the highest mean of 2 controls): no arm is better."
    )
    assert advice.advice(kept)[1].startswith(
        "4 arms: 1 within 0.05 of the control, 1 worse, 1 undecided, 1 without a verdict."
    )
    assert "Better: none. Worse: `down` -0.080 [" in advice.pull_request(kept)
    assert "Test was not read." in advice.pull_request(kept)
    assert "On test" not in words_of(page.render(kept))


def test_a_winner_below_another_control_is_not_praised_without_saying_so() -> None:
    """Arms of one solver are not compared with the control of the other, which may be higher."""
    higher = {**MEANS, "decided": {**MEANS["decided"], "balanced_accuracy": 0.65}}
    rows = tuple(replace(row, means=higher) if row.name == "adamw" else row for row in study().rows)
    first = advice.advice(study(rows=rows))[0]
    assert first.endswith("; but `adamw`, with which it was not compared, has a mean of 0.650 and not 0.600.")


@pytest.mark.parametrize(
    ("folds", "repeats", "part"),
    [
        (
            3,
            1,
            "With 3 folds x 1 repeat a difference rests on only 3 trainings of each arm, so the intervals are widened",
        ),
        (3, 1, "`repeats: 4` in study/params.yaml would narrow them."),
        (3, 2, "With 3 folds x 2 repeats a difference rests on only 6 trainings"),
        (5, 1, "`repeats: 2` in study/params.yaml would narrow them."),
        (10, 1, "With 10 folds x 1 repeat each image was tested by a single training of an arm; `repeats: 2`"),
    ],
)
@pytest.mark.parametrize("won", [True, False])
@pytest.mark.parametrize("figure", ["balanced_accuracy", "ap50"])
def test_few_trainings_are_said_wherever_a_verdict_is(
    folds: int, repeats: int, part: str, won: bool, figure: str
) -> None:
    """With a winner and without, for images and for boxes: in the advice, and so in leaderboard and page, and in the
    paragraph for a pull request."""
    values: dict[str, Any] = {"folds": folds, "repeats": repeats, "figure": figure}
    means = {view: {**own, figure: own["balanced_accuracy"]} for view, own in MEANS.items()}
    rows = tuple(
        replace(row, means=row.means and means) for row in study().rows if won or not row.name.startswith("up")
    )
    few = study(study=STUDY.model_copy(update=values), rows=rows, confirmation=None)
    assert advice.advice(few)[0].startswith("Use" if won else "Keep")
    for text in (advice.advice(few)[1], summary.leaderboard(few), advice.pull_request(few)):
        assert text.count(part) == 1


def test_the_page_says_that_trainings_are_few() -> None:
    few = study(study=STUDY.model_copy(update={"folds": 3, "repeats": 1}))
    assert "rests on only 3 trainings of each arm" in words_of(page.render(few))


def test_enough_trainings_need_no_word(html: str) -> None:
    assert STUDY.few_trainings == ""
    assert "rests on only" not in words_of(html)


def test_the_interval_of_test_is_said_to_leave_out_the_luck_of_training(html: str) -> None:
    said = "so its interval holds the luck of images, but not that of training."
    assert said in advice.advice(study())[1]
    assert said in advice.pull_request(study())
    assert words_of(html).count(said) == 3, "in the advice, in its section and for a pull request"
    none = study(confirmation=Confirmation("up <b>&", "plain", NoVerdict("test could not be read: it is gone")))
    assert said not in words_of(page.render(none))


@pytest.mark.parametrize(
    ("units", "part"),
    [
        (8, "Label at least 10 independent images of class `defective`; there are 8."),
        (84, "Remove the reasons and run"),
    ],
)
def test_without_verdicts_the_page_says_why_and_what_to_do(units: int, part: str) -> None:
    rows = tuple(replace(row, found=row.found and NoVerdict("it was not trained yet")) for row in study().rows)
    none = study(rows=rows, units=units, confirmation=None)
    assert "Keep what you have: no arm has a verdict." in words_of(page.render(none))
    assert part in " ".join(advice.advice(none))


def test_a_mean_over_labels_that_are_frequent_enough_asks_for_no_more_images() -> None:
    """With 8 images of the rarest label that counts, the reasons are others."""
    rows = tuple(replace(row, found=row.found and NoVerdict("a training failed: no")) for row in study().rows)
    said = advice.advice(study(rows=rows, units=8, left_out=("moon",), confirmation=None))
    assert said[2].startswith("Remove the reasons and run")


def test_a_study_without_any_training_has_a_page() -> None:
    rows = tuple(replace(row, found=NoVerdict("it was not trained yet"), means={}) for row in study().rows)
    text = words_of(page.render(study(rows=rows, confirmation=None)))
    assert "All arms" in text
    assert "Calibration" not in text


def test_labels_with_verdicts_of_their_own_are_listed() -> None:
    own = {"moon": verdict(0.2), "sun": verdict(0.0, 0.05)}
    rows = tuple(replace(row, labels=own) if row.name == "same" else row for row in study().rows)
    many = study(rows=rows)
    text = words_of(page.render(many))
    assert "Verdicts on the 2 labels with at least 10 independent images." in text
    assert "same moon better +0.200 [" in text
    board = summary.leaderboard(many)
    assert "Single labels: 2 labels" in board
    assert "- `same`, `moon` better: the interval [" in board
    assert summary.to_json(many)["arms"]["same"]["labels"]["sun"]["word"] == "undecided"
    assert "labels" not in summary.to_json(many)["arms"]["down"]


def test_of_a_mean_over_labels_no_single_label_decides_what_can_be_seen(html: str) -> None:
    rows = tuple(replace(row, labels={"moon": verdict(0.2)}) if row.name == "same" else row for row in study().rows)
    means = {view: {**own, "mean_average_precision": 0.3} for view, own in MEANS.items()}
    rows = tuple(replace(row, means=means if row.means else {}) for row in rows)
    declared = STUDY.model_copy(update={"figure": "mean_average_precision", "view": "calibrated"})
    text = words_of(page.render(study(rows=rows, study=declared)))
    assert "of the rarest label defective" in text
    assert "four times as many images of every label would show about half of it" in text
    assert "The images of all labels decide how small a difference can be seen" in text
    assert "No threshold changes mean average precision" in text
    assert "only moved the threshold" not in text
    one = words_of(html)
    assert "The images of the rarest class decide" in one
    assert "only moved the threshold" in one


def test_the_table_of_differences_has_a_row_for_every_verdict() -> None:
    lines = summary.differences(study()).splitlines()
    assert lines[0] == "arm,control,word,difference,low,high"
    assert [line.split(",")[2] for line in lines[1:]] == ["better", "worse", "equivalent", "undecided"]


def test_charts_are_valid_and_show_every_row() -> None:
    found = [(name, verdict(value)) for name, value in (("a", 0.1), ("b", 0.0))]
    table = pd.DataFrame(
        {"arm": n, "word": f.word, "difference": f.difference, "low": f.low, "high": f.high, "printed": f"{n}!"}
        for n, f in found
    )
    drawn = charts.forest(table, margin=0.05, domain=(-0.1, 0.2), title="t", description="d")
    drawn.to_dict(validate=True)
    texts = "".join(ElementTree.fromstring(rendering.svg(drawn)).itertext())
    assert "a!" in texts
    assert "b!" in texts
    assert texts.count("better") == 1


def test_the_typical_arm_is_the_one_whose_interval_has_the_median_width() -> None:
    same = judge(Estimate(0.0, 0.0, 0.0, 84, 10), comparisons=1)
    found = [verdict(0.0, se) for se in (0.01, 0.02, 0.04)]
    assert isinstance(same, Verdict)
    middle = results.typical([same, *found])
    assert middle == found[1]
    assert results.typical([same]) is None
    assert np.isclose(found[1].detectable, 2 * found[0].detectable)


def test_the_leaderboard_lists_sentences_as_it_lists_arms_and_its_columns_are_no_arms() -> None:
    board = summary.leaderboard(study()).splitlines()
    head = next(line for line in board if line.startswith("| arm |"))
    assert head.endswith("| balanced accuracy, decided | average precision of `solar`, calibrated |")
    arms = [line.split("`")[1] for line in board if line.startswith("| `")]
    said = [line.split("`")[1] for line in board if line.startswith("- `")]
    assert arms == ["plain", "adamw", "up <b>&", "unknown", "same", "down", "diverged"]
    assert said == [name for name in arms if name not in ("plain", "adamw")]


def test_average_precision_is_one_column_where_verdicts_are_about_it() -> None:
    ranked = study(study=STUDY.model_copy(update={"figure": "average_precision"}))
    head = next(line for line in summary.leaderboard(ranked).splitlines() if line.startswith("| arm |"))
    assert head.endswith("| difference | " + " | ".join(f"average precision, {view}" for view in MEANS) + " |")


def test_an_arm_without_a_verdict_is_told_of_beside_a_winner() -> None:
    assert " 1 arm has no verdict." in advice.advice(study())[1]
    rows = tuple(replace(row, found=NoVerdict("no")) if row.name == "same" else row for row in study().rows)
    assert " 2 arms have no verdict." in advice.advice(study(rows=rows))[1]
    assert summary.to_metrics(study(rows=rows))["arms_without_verdict"] == 2


def test_figures_that_are_undefined_are_null_in_json_and_told_as_such_in_tables() -> None:
    """Of an arm, and of all: then there is no verdict either."""
    unknown = {view: {**figures, "balanced_accuracy": np.nan} for view, figures in MEANS.items()}
    none = NoVerdict("the figure is undefined in fold 1 of repeat 1; use fewer folds")
    rows = tuple(
        replace(row, means=unknown, found=none) if row.name in ("same", "adamw") else row for row in study().rows
    )
    assert "`same` | plain | none |  | n/a | n/a | n/a | 0.200 |" in summary.leaderboard(study(rows=rows))
    said = summary.to_json(study(rows=rows))
    assert said["arms"]["same"]["figures"]["decided"]["balanced_accuracy"] is None
    json.dumps(said, allow_nan=False)
    page.render(study(rows=rows))
    every = tuple(replace(row, means=unknown, found=none if row.control else None) for row in rows)
    lost = study(rows=every, confirmation=None)
    assert summary.to_metrics(lost) == {f"arms_{word}": 0 for word in get_args(Word)} | {"arms_without_verdict": 5}
    assert "Keep what you have: no arm has a verdict. The first reason: the figure is undefined in fold" in words_of(
        page.render(lost)
    )
    json.dumps(summary.to_json(lost), allow_nan=False)


def test_numbers_of_metrics_are_those_of_the_winner_and_of_its_own_control() -> None:
    """An arm may stand before its control, and another control may stand before both."""
    higher = {**MEANS, "decided": {**MEANS["decided"], "balanced_accuracy": 0.65}}
    rows = tuple(replace(row, means=higher) if row.name == "adamw" else row for row in study().rows)
    found = summary.to_metrics(study(rows=tuple(reversed(rows))))
    assert (found["control_balanced_accuracy"], found["winner_balanced_accuracy"]) == (0.6, 0.6)
    nobody = tuple(row for row in reversed(rows) if not row.name.startswith("up"))
    assert summary.to_metrics(study(rows=nobody))["control_balanced_accuracy"] == 0.65


@pytest.mark.parametrize("difference", [0.05, -0.05, 0.03, 2e-9, -2e-9])
@pytest.mark.parametrize("offset", [1e-9, -1e-9])
def test_no_file_rounds_an_interval_to_the_other_side(difference: float, offset: float) -> None:
    """An end lies 1e-9 beside 0; the word is the same in the leaderboard, in the table for plots, and on the page."""
    end = math.copysign(1e-9, difference) if offset > 0 else -math.copysign(1e-9, difference)
    low, high = sorted((end, 2 * difference - end))
    inside: Word = "equivalent" if max(-low, high) < STUDY.margin else "undecided"
    word: Word = "better" if low > 0 else "worse" if high < 0 else inside
    found = replace(verdict(difference), word=word, difference=difference, low=low, high=high, units_factor=2.0)
    one = study(rows=(study().rows[0], Row("arm", "plain", {}, found, MEANS)))
    (line,) = (line for line in summary.leaderboard(one).splitlines() if line.startswith("| `arm`"))
    shown = [float(text) for text in re.findall(r"\[(\S+), (\S+)\]", line)[0]]
    *_, of_plots = summary.differences(one).splitlines()
    for ends in (shown, [float(text) for text in of_plots.split(",")[-2:]]):
        assert [np.sign(end) for end in ends] == [np.sign(low), np.sign(high)]
        assert (max(map(abs, ends)) < STUDY.margin) == (max(-low, high) < STUDY.margin)
    assert f" {word}: " in words_of(page.render(one))


def test_undecided_on_test_promises_nothing_of_repeats() -> None:
    """Test is read once, so there are none, and more images of train and validation would not change it."""
    one = study()
    assert one.confirmation is not None
    assert isinstance(one.confirmation.found, Verdict)
    assert one.confirmation.found.word == "undecided"
    for text in (advice.advice(one)[1], summary.to_json(one)["confirmation_on_test"]["sentence"]):
        assert "holds both no difference and one of 0.05 or more" in text
        assert "repeats" not in text


def test_an_undecided_mean_over_labels_asks_for_images_of_every_label() -> None:
    rows = tuple(replace(row, labels={"moon": verdict(0.2)}) if row.name == "same" else row for row in study().rows)
    assert "times as many images of every label would decide it in 4 of 5 cases" in summary.leaderboard(
        study(rows=rows)
    )


def test_controls_alone_have_a_page_even_if_the_first_failed() -> None:
    first, *_, second = study().rows
    rows = (replace(first, found=NoVerdict("a training failed: no"), means={}), second)
    text = words_of(page.render(study(rows=rows, comparisons=0, confirmation=None)))
    assert "The study compares nothing with a control" in text or "a training failed: no" in text
    assert "Compared with None" not in page.render(study(rows=rows, comparisons=0, confirmation=None))


def test_labels_that_a_mean_leaves_out_are_named() -> None:
    many = study(left_out=("moon", "star"), study=STUDY.model_copy(update={"figure": "macro_f1"}))
    means = {view: figures | {"macro_f1": 0.3} for view, figures in MEANS.items()}
    many = replace(many, rows=tuple(replace(row, means=row.means and means) for row in many.rows))
    assert "Too rare, and left out of the mean over labels: `moon`, `star`." in summary.leaderboard(many)
    assert summary.to_json(many)["left_out"] == ["moon", "star"]
    text = words_of(page.render(many))
    assert "Macro F1 raw, calibrated and decided" in text
    assert "Rarest label" in text
    assert "left out" not in summary.leaderboard(study())


def test_a_study_of_one_arm_has_one_interval() -> None:
    one = study(rows=study().rows[:2], comparisons=1)
    assert "; with 95 % confidence, the interval contains the true difference." in advice.advice(one)[1]
    assert "With 95 % confidence, the interval contains the true difference." in summary.leaderboard(one)
    assert "All 1 " not in page.render(one)
