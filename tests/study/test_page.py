"""The page, the advice and the paragraph for a pull request, of studies whose verdicts are given."""

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from counterpoise.report.charts import render as rendering
from counterpoise.study import advice, charts, page, results, summary
from counterpoise.study.arms import Study
from counterpoise.study.results import Confirmation, Row, Summary
from counterpoise.study.verdicts import Estimate, NoVerdict, Verdict, judge

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
    made = Summary("roofs", STUDY, 2099, "defective", 84, 4, rows, Confirmation("up <b>&", "plain", verdict(0.1, 0.1)))
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
    assert "4 of 5 cases; four times as many images would show about half of it." in text
    assert "<b>" not in html.partition("<main>")[2], "names are escaped"


def test_every_arm_and_its_verdict_are_on_the_page(html: str) -> None:
    text = words_of(html)
    for row in study().rows:
        assert row.name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in text
    for word in ("better", "worse", "equivalent", "undecided"):
        assert f"{word}: the interval [" in text
    assert "no verdict: a training failed: the loss is not a number" in text


def test_equal_studies_give_equal_pages(html: str) -> None:
    assert page.render(study()) == html


def test_without_a_winner_the_control_is_kept_and_test_is_not_mentioned() -> None:
    rows = tuple(row for row in study().rows if not row.name.startswith("up"))
    kept = study(rows=rows, confirmation=None)
    assert advice.advice(kept)[0] == (
        "Keep the control (`plain`, with the highest mean of 2 controls): no arm is better."
    )
    assert advice.advice(kept)[1].startswith("3 arms: 1 within 0.05 of the control, 1 worse, 1 undecided.")
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


def test_the_typical_arm_is_the_one_with_the_median_detectable_difference() -> None:
    same = judge(Estimate(0.0, 0.0, 0.0, 84, 10), comparisons=1)
    found = [verdict(0.0, se) for se in (0.01, 0.02, 0.04)]
    assert isinstance(same, Verdict)
    middle = results.typical([same, *found])
    assert middle == found[1]
    assert results.typical([same]) is None
    assert np.isclose(found[1].detectable, 2 * found[0].detectable)
