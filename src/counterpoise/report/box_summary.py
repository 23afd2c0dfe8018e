"""The top of the report for boxes: the outcome in objects, and the headline figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.report.charts.dots import dots
from counterpoise.report.charts.render import Drawing
from counterpoise.report.facts import Facts, counted, quote
from counterpoise.report.objects import Objects
from counterpoise.report.parts import drawn
from counterpoise.report.summary import FigureGroup, HeadlineFigure, figure_card
from counterpoise.report.texts import PointEstimate, finite, write_count, write_share, write_value
from counterpoise.report.units import FEW

if TYPE_CHECKING:
    import pandas as pd


def lede(facts: Facts, of: Objects) -> tuple[str, str, str]:
    """State the outcome, describe the problem, and say what to do next."""
    name = quote(facts.positive_name)
    labelled = of.labelled.loc[of.labelled["ignore"] == 0, "label"]
    own, total = int((labelled == facts.positive_name).sum()), len(labelled)
    problem = (
        f"{facts.task.problem(facts)} The one that matters, {name}, has {counted(own, 'object')}: 1 in "
        f"{total / max(own, 1):.3g}."
    )
    found, missed, false = of.counts(facts.positive)
    if not found + missed:
        alarms = f" Of this class, {counted(false, 'box is', 'boxes are')} false alarms." if false else ""
        return f"Test has no object {name}, so this run cannot judge the model on it.{alarms}", problem, ""
    outcome = f"Finds {write_count(found)} of {counted(found + missed, 'object')} {name} in test. "
    outcome += _alarms(found, false)
    span = _estimate(facts, "recall").interval
    sure = "Uncertain: there is no interval."
    if span:
        ends = f"{write_share(span[0])} to {write_share(span[1])}"
        sure = f"Uncertain: recall, the share found, may be {ends} (95 % interval)."
    return f"{outcome} {sure}", problem, _next_step(facts, missed + false)


def picture(facts: Facts, of: Objects) -> Drawing:
    """Draw every object of the class that matters as a dot: found or missed; and every false alarm."""
    import pandas as pd

    found, missed, false = of.counts(facts.positive)
    name = quote(facts.positive_name)
    rows = [
        ("missed", missed, "missed"),
        ("found", found, "found"),
        ("false alarm" if false == 1 else "false alarms", false, "alarm"),
    ]
    groups = pd.DataFrame(rows, columns=["name", "count", "kind"])
    words = f"Of {counted(found + missed, 'object')} {name}, {found} are found and {missed} missed; "
    words += f"{counted(false, 'false alarm')}."
    title = f"{name} in test"
    return drawn(dots(groups, title=title, description=words, noun="object or alarm", of="boxes"))[0]


def headline(facts: Facts, of: Objects) -> tuple[FigureGroup, ...]:
    """Make the headline figures of the class that matters, if test has it, and of all classes."""
    every = FigureGroup(facts.all_classes, facts.task.headline_figures(facts))
    found, missed, false = of.counts(facts.positive)
    if not found + missed:
        return (every,)
    units = _units(facts)
    only = f", in {counted(units, 'unit')}" if units < FEW else ""
    no_skill = finite(_estimate(facts, "no_skill_50").value)
    own: tuple[HeadlineFigure, ...] = (
        figure_card(
            "Recall",
            _estimate(facts, "recall"),
            f"{write_count(found)} of {counted(found + missed, 'object')} found{only}",
        ),
        figure_card(
            "Precision",
            _estimate(facts, "precision"),
            f"{write_count(found)} of {counted(found + false, 'alarm')} right",
        ),
        figure_card(
            "Average precision at IoU 0.5",
            _estimate(facts, "average_precision_50"),
            f"no skill, the same boxes in random order: {write_value(no_skill)}",
            no_skill,
        ),
    )
    return FigureGroup(f"The {facts.words.noun} that matters: {quote(facts.positive_name)}", own), every


def _alarms(found: int, false: int) -> str:
    if not found + false:
        return "Raises no alarm."
    if not found:
        return f"Raises {counted(false, 'alarm')}, none of which is right."
    text = f"Of {counted(found + false, 'alarm')}, {write_count(found)} {'is' if found == 1 else 'are'} right"
    each = round(false / found)
    return f"{text}: about {counted(each, 'false alarm')} for each object found." if each > 1 else f"{text}."


def _next_step(facts: Facts, errors: int) -> str:
    name = quote(facts.positive_name)
    if _units(facts) < FEW:
        return f"Next: label more scenes with {name}, until test has at least {FEW} separate ones."
    if errors:
        return (
            "Next: look at the mistakes: are the labels right? Then weigh a missed object against a false alarm. "
            "Another decision rule (decide.rule in params.yaml) can find more at the price of more false alarms, or "
            "raise fewer and miss more. It needs no new training."
        )
    return "Next: look at the boxes on a map, by counterpoise export-boxes."


def _units(facts: Facts) -> int:
    """Count the units of test with an object of the class that matters."""
    return int(_own(facts)["units"].max())


def _own(facts: Facts) -> pd.DataFrame:
    """Select the figures of the class that matters, by measure."""
    table = facts.tables["detection_sizes"]
    own = table[(table["class"] == facts.positive_name) & (table["size"] == "all")]
    return own.set_index("measure")


def _estimate(facts: Facts, measure: str) -> PointEstimate:
    return PointEstimate.from_row(_own(facts).loc[measure].to_dict())
