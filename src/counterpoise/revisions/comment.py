"""The comment of a pull request: what a change does to the figures on test, and what may be said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoise.report.facts import counted, listed
from counterpoise.report.markdown import LONGEST_VALUE, code, estimate, table
from counterpoise.report.texts import capitalized, figure_name
from counterpoise.report.units import FEW
from counterpoise.revisions import by_class
from counterpoise.revisions.gains import Gains, compared, compute, differs, units_behind, written
from counterpoise.revisions.run import Run

MARK = "<!-- counterpoise pr-comment -->"
"""The first line, by which a workflow finds the comment that it is to replace."""
LOWER_IS_BETTER = (
    *("expected_calibration_error", "brier_score", "coverage"),
    *("box_lrp", "box_false_alarms_per_image", "box_false_alarms_per_square_km"),
)
MOST_PARAMETERS = 30
"""Parameters that are listed; after that many, the comment counts them."""
MOST_FILES = 3
UNAFFECTED = ("code", "check", "report")
"""Stages that change no figure."""


@dataclass(frozen=True)
class Change:
    """All that the comment is about.

    Attributes:
        base: The run that is compared with.
        now: The run of this change.
        obstacles: Why their figures cannot be compared; empty where they can.
        parameters: Dotted name -> values before and after.
        outdated: Stages of which `dvc.lock` records other code or parameters.
        uncommitted: Files that are not as in the last commit.
        study: What the study says; may be empty.
        page: Address of the report; may be empty.
    """

    base: Run
    now: Run
    obstacles: Sequence[str]
    parameters: Mapping[str, tuple[Any, Any]]
    outdated: Sequence[str]
    uncommitted: Sequence[str]
    study: str = ""
    page: str = ""


def write(change: Change) -> str:
    """Write the comment in Markdown."""
    base, now = change.base, change.now
    gains = None
    if not change.obstacles and base.scored is not None and now.scored is not None:
        gains = compute(base.scored, now.scored)
    lines = [MARK, "### What this changes on test", "", f"{_outcome(change, gains)} {_test(now)}", ""]
    if found := _warnings(change):
        lines += [*(f"- **Warning:** {text}" for text in found), ""]
    lines += [*_figures(change, gains), "", *_how_to_read(change, gains), ""]
    lines += [*_parameters(change.parameters), ""]
    if rows := by_class.rows(base, now, gains, comparable=not change.obstacles):
        lines += [*rows, ""]
    if change.study:
        lines += [f"**Study.** {change.study}", ""]
    if change.page:
        lines += [f"[The whole report, with charts and mistakes]({change.page})", ""]
    return "\n".join(lines)


def _outcome(change: Change, gains: Gains | None) -> str:
    """Say in a sentence what can be said of the difference."""
    pair = f"{capitalized(change.now.name)} beside {code(change.base.name)}"
    if change.obstacles:
        return f"{pair}: **the figures cannot be compared.**"
    if change.now.metrics == change.base.metrics:
        return f"{pair}: **no figure of test changes.**"
    if gains is None:
        return f"{pair}: the figures change; **whether by more than chance, is not known.**"
    known = [name for name, one in gains.figures.items() if one.low == one.low]
    clear = [name for name in known if differs(gains.figures[name], _units(name, change))]
    if not clear:
        return f"{pair}: **no difference is shown** by any of {counted(len(known), 'figure')}."
    names = listed([figure_name(name) for name in clear], most=len(clear))
    verb = "differs" if len(clear) == 1 else "differ"
    return f"{pair}: **{names} {verb}**, of {counted(len(known), 'figure')} with an interval."


def _test(run: Run) -> str:
    """Say how much test holds."""
    (images, units), (positives, own) = (run.metrics.supports[name] for name in ("test_images", "test_positives"))
    name = "the class that matters" if run.scored is None else code(run.scored.decision.positive)
    return f"Test: {_support(images, units)}, of which {_support(positives, own)} show {name}."


def _support(images: int, units: int) -> str:
    return counted(images, "image") + ("" if images == units else f" ({counted(units, 'unit')})")


def _warnings(change: Change) -> list[str]:
    """List what a reader must know before the figures."""
    found = list(change.obstacles)
    if change.obstacles:
        found.append("So this shows nothing about a remedy; build the base again on the same images and classes.")
    if outdated := [stage for stage in change.outdated if stage not in UNAFFECTED]:
        found.append(
            f"`dvc.lock` does not fit the code, parameters or outputs of {listed([code(stage) for stage in outdated])}:"
            " the figures are those of before. Run `dvc repro`, and commit what changes."
        )
    if change.uncommitted:
        names = listed([code(path) for path in change.uncommitted], MOST_FILES)
        found.append(f"Not committed, but compared: {names}.")
    units = change.now.metrics.supports["test_positives"][1]
    if units < FEW:
        found.append(
            f"Only {counted(units, 'unit')} of the class that matters in test: too few to judge a change. Label more."
        )
    scored = (change.base.scored, change.now.scored)
    if scored[0] and scored[1] and scored[0].decision.positive != scored[1].decision.positive:
        names = " and now ".join(code(one.decision.positive) for one in scored if one)
        found.append(f"The class that matters was {names}: its figures before are of the other class.")
    return found


def _units(figure: str, change: Change) -> int:
    return min(units_behind(figure, run) for run in (change.base, change.now))


def _figures(change: Change, gains: Gains | None) -> list[str]:
    """List every figure of both runs, and their difference where they can be compared."""
    base, now = change.base.metrics, change.now.metrics
    names = list(dict.fromkeys([*compared(change.now), *compared(change.base)]))
    head = ["figure", change.base.name, change.now.name]
    rows = []
    for name in names:
        label = figure_name(name) + (", lower is better" if name in LOWER_IS_BETTER else "")
        row = [label, *(estimate(one.figures.get(name), one.intervals.get(name)) for one in (base, now))]
        if not change.obstacles:
            row += _difference_cells(name, change, gains)
        rows.append(row)
    return table(head if change.obstacles else [*head, "difference", ""], rows)


def _difference_cells(name: str, change: Change, gains: Gains | None) -> list[str]:
    """Write a and what may be said of it."""
    if gains is None:
        pair = [run.metrics.figures.get(name) for run in (change.now, change.base)]
        return ["n/a" if None in pair else f"{pair[0] - pair[1]:+.3f}", ""]  # type: ignore[operator]
    found = gains.figures.get(name)
    word = ""
    if found is not None and found.low == found.low:
        word = "not shown"
        if found.clear:
            word = "**differs**" if differs(found, _units(name, change)) else "too few units"
    return [written(found), word]


def _how_to_read(change: Change, gains: Gains | None) -> list[str]:
    """Explain brackets, differences and what they leave open."""
    if change.obstacles:
        return ["Brackets: 95 % intervals of each run alone."]
    if gains is None:
        lacking = [(run.name, run.lacking) for run in (change.base, change.now) if run.lacking]
        why = "; ".join(f"{code(name)}: {reason}" for name, reason in lacking)
        return [
            "Brackets: 95 % intervals of each run alone. They are too wide to compare two runs on the same images, and "
            f"the difference has no interval, since the predictions are not at hand ({why}). `dvc push` where they "
            "were made, or `dvc pull` here."
        ]
    return [
        "Brackets: 95 % intervals; those of differences are of both models on the same images, unit by unit. *differs*:"
        " the interval leaves out 0. *not shown*: it does not, so that the models may be equal or different. Each "
        "interval holds for its figure alone: of twenty figures without a difference, one seems to have one. Another "
        "training of either model would give other figures; `counterpoise study` tells a remedy from such chance."
    ]


def _parameters(changed: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """List the parameters that differ."""
    if not changed:
        return ["No parameter changes."]
    names = list(changed)[:MOST_PARAMETERS]
    rows = [[code(name), *(_value(value) for value in changed[name])] for name in names]
    more = [f"and {len(changed) - len(names)} more"] if len(changed) > len(names) else []
    return [*table(["parameter", "before", "now"], rows), *([""] if more else []), *more]


def _value(value: object) -> str:
    return "" if value is None else code(value, LONGEST_VALUE)
