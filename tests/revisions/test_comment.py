"""The comment, from two runs that are made up, image by image."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.revisions.copies import copied

from counterpoise import labels
from counterpoise.artifacts import decision, metrics, plots, predictions
from counterpoise.artifacts.positive import Positive
from counterpoise.artifacts.prior import Prior
from counterpoise.calibration import prior_ledger
from counterpoise.config import InputError
from counterpoise.revisions import checkout, comment, comparable
from counterpoise.revisions.comment import Change
from counterpoise.revisions.run import Run, read
from counterpoise.stages import decide, evaluate

NAMES = ("common", "rare `one`", "<b>@rarest")
COUNTS = (200, 60, 12)
DECIDE: dict[str, Any] = {
    **{"calibrator": "auto", "target": "natural", "rule": "balanced", "costs": {}, "beta": 1.0, "floor": 0.8},
    **{"false_alarms": 1.0, "unlabelled": "data/unlabelled", "at_least": 0, "min_positives": 5},
    **{"search_positives": 1000, "density": {}},
}


def write(root: Path, *, skill: float, task: str = "multiclass", counts: tuple[int, ...] = COUNTS) -> None:
    """Write what decide and evaluate leave of a model, whose noise is always the same."""
    truth = np.repeat(np.eye(len(NAMES), dtype=bool), counts, axis=0)
    ids = tuple(f"{number:04d}.png" for number in range(len(truth)))
    cells = tuple(labels.join([NAMES[k]]) for k in truth.argmax(axis=1))
    for number, split in enumerate(("val", "test")):
        noise = np.random.default_rng(number).normal(size=truth.shape)
        found = predictions.Predictions(ids, ids, cells, NAMES, (noise + skill * truth).astype(np.float32))
        predictions.write(root, split, found)
    ledger = (prior_ledger.Line("loss", "cross_entropy", (1.0,) * 3),)
    pairs = ((0,) * 3,) * 3 if task == "multilabel" else ()
    total = sum(counts)
    known = Prior(task, NAMES, counts, counts, counts, total, total, total, ledger, pairs, pairs)
    matters = decide.Matters(Positive(NAMES[-1], "as the test says"), ())
    settings = decide.Decide.model_validate(DECIDE)
    decision.write(root, decide.choose(predictions.read(root, "val"), known, ledger, settings, matters))
    asked = evaluate.Evaluate(positive=NAMES[-1], at_prevalence=(), resamples=100)
    evaluate.main(root, evaluate.Params(seed=0, evaluate=asked))
    (root / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Give a function that writes a run, but once for equal settings."""
    known: dict[str, Path] = {}

    def make(**settings: Any) -> Path:
        key = repr(settings)
        if key not in known:
            known[key] = tmp_path_factory.mktemp("run")
            write(known[key], **settings)
        return known[key]

    return make


@pytest.fixture
def run_of(made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    def of(name: str = "main (0a1b2c3)", without: tuple[str, ...] = (), **settings: Any) -> Run:
        root = made(**settings)
        monkeypatch.setattr(checkout, "fetch", copied(root, without))
        return read(root, None, name)

    return of


def text_of(base: Run, now: Run, **changes: Any) -> str:
    change = Change(base, now, comparable.obstacles(base, now), {}, (), ())
    return comment.write(replace(change, **changes))


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_better_model_differs_in_what_its_intervals_show_and_in_nothing_else(task: str, run_of) -> None:
    base, now = run_of(skill=1.0, task=task), run_of("this change (d4e5f6a)", skill=1.6, task=task)
    text = text_of(base, now, parameters={"loss": ("cross_entropy", "focal")}, page="https://example.org/page.html")
    assert text.startswith(comment.MARK)
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if re.match(r"\| [a-zA-Z]", line)]
    figures = [row for row in rows if len(row) == 5 and row[0].strip() != "figure"]
    assert len(figures) >= 8
    for _, _, _, difference, word in figures:
        ends = re.search(r"\[(-?[\d.]+), (-?[\d.]+)\]", difference)
        if "differs" in word:
            assert ends
            assert float(ends[1]) > 0 or float(ends[2]) < 0
        elif "not shown" in word:
            assert ends
            assert float(ends[1]) <= 0 <= float(ends[2])
        else:
            assert "no interval" in difference
    assert any("differs" in row[4] for row in figures)
    assert "| `loss` | `cross_entropy` | `focal` |" in text
    assert "(https://example.org/page.html)" in text
    assert "12 images show `<b>@rarest`" in text
    assert "nan" not in text


def test_a_model_beside_itself_changes_nothing(run_of) -> None:
    run = run_of(skill=1.0)
    text = text_of(run, run)
    assert "**no figure of test changes.**" in text
    assert "**differs**" not in text
    assert "No parameter changes." in text


def test_names_of_classes_are_code_and_break_no_table(run_of) -> None:
    text = text_of(run_of(skill=1.0), run_of(skill=1.6))
    rows = [line for line in text.splitlines() if line.startswith(("| `", "| ``"))]
    assert len(rows) == 3
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {9}
    assert "<b>" not in re.sub(r"`[^`]+`", "", text)


def test_without_predictions_no_difference_has_an_interval_and_none_is_claimed(run_of) -> None:
    base = run_of(skill=1.0, without=(predictions.path("test"),))
    assert base.scored is None
    text = text_of(base, run_of(skill=1.6))
    assert "**whether by more than chance, is not known.**" in text
    assert f"`main (0a1b2c3)`: {predictions.path('test')} is neither here nor in DVC's cache or remote" in text
    assert "**differs**" not in text


@pytest.mark.parametrize("without", [(), (predictions.path("test"),)], ids=["images", "counts"])
def test_runs_on_other_images_are_not_compared(without: tuple[str, ...], run_of) -> None:
    base = run_of(skill=1.0, counts=(200, 60, 11), without=without)
    text = text_of(base, run_of(skill=1.6))
    assert "**the figures cannot be compared.**" in text
    assert "- **Warning:** Test ha" in text
    assert "| difference |" not in text
    assert "differs" not in text


def test_other_labels_units_and_classes_are_obstacles(run_of) -> None:
    base = run_of(skill=1.0)
    assert base.scored is not None
    assert comparable.obstacles(base, base) == []

    def after(**changes: Any) -> list[str]:
        assert base.scored is not None
        test = replace(base.scored.test, **changes)
        return comparable.obstacles(base, replace(base, scored=replace(base.scored, test=test)))

    names = base.scored.test.groups
    assert after(labels=(NAMES[1], *base.scored.test.labels[1:])) == ["1 test image has another label."]
    assert after(groups=(names[1], *names[1:])) == [
        "The units of test (groups, near duplicates) differ, and with them the intervals."
    ]
    assert after(groups=tuple(f"renamed {name}" for name in names)) == []
    assert after(classes=(*NAMES[:2], "new")) == ["The classes differ (gone: 1, new: 1)."]


def test_what_a_reader_must_know_is_said_first(run_of) -> None:
    few = run_of(skill=1.0, counts=(200, 60, 6))
    text = text_of(few, few, outdated=("check", "train", "evaluate"), uncommitted=("a.py", "b.py", "c.py", "d.py"))
    assert "`dvc.lock` does not fit the code, parameters or outputs of `train` and `evaluate`" in text
    assert "Not committed, but compared: `a.py`, `b.py`, `c.py` and 1 more." in text
    assert "Only 6 units of the class that matters in test" in text
    assert text.index("Warning") < text.index("| figure |")
    assert "dvc.lock" not in text_of(few, few, outdated=("check", "report")), "no figure depends on these"


def test_a_commit_without_figures_or_with_damaged_ones_is_refused(run_of, made, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"old has no reports/metrics\.json, so there are no figures to compare; run"):
        run_of("old", without=(metrics.PATH,), skill=1.0)
    write(tmp_path, skill=1.0)
    (tmp_path / metrics.PATH).write_text("{}")
    checkout.fetch = copied(tmp_path)  # `run_of` puts it back
    with pytest.raises(InputError, match=r"^old: reports/metrics\.json is damaged"):
        read(tmp_path, None, "old")


def test_figures_that_an_older_version_wrote_are_still_listed(run_of, made, tmp_path: Path) -> None:
    write(tmp_path, skill=1.0)
    run_of(skill=1.6)
    for path in (f"{plots.FOLDER}/classes.csv", decision.PATH):
        (tmp_path / path).write_text("something older")
    checkout.fetch = copied(tmp_path)
    old = read(tmp_path, None, "old")
    assert old.scored is None
    assert old.lacking.startswith("this version cannot read them: models/decision.json is damaged")
    text = text_of(old, run_of(skill=1.6))
    assert "| balanced accuracy | 0." in text
    assert "Class by class" not in text
