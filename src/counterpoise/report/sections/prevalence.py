"""The section of the report that shows precision and recall at other prevalences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from counterpoise.calibration.prevalence import rate_effects
from counterpoise.metrics import difference, intervals
from counterpoise.metrics.difference import Difference
from counterpoise.report.charts import variants as variants_chart
from counterpoise.report.charts.dots import dots
from counterpoise.report.facts import Counts, Facts, counted, quote
from counterpoise.report.parts import Part, drawn
from counterpoise.report.sections import prevalence_slider
from counterpoise.report.sections.variants import write_difference
from counterpoise.report.summary import dot_groups
from counterpoise.report.texts import PointEstimate, finite, write_count, write_prevalence, write_share
from counterpoise.report.units import FEW

if TYPE_CHECKING:
    import altair as alt

APART = 1.25
"""The text calls two prevalences different if their ratio is larger than this."""
ALIKE = 1.3
"""Charts leave out a prevalence if its ratio to that of test is smaller than this."""
DISTINCT = 1.6
"""Two prevalences get separate pictures if their ratio is larger than this."""
PICTURES = 3
TOO_WIDE = 0.5
"""An interval of precision wider than this is too uncertain for a comparison."""
SAME = 1e-9
"""Figures that differ by no more than this are equal."""
VARIANTS = {
    "raw expected": "raw, expected",
    "raw": "raw, measured",
    "expected": "rule, expected",
    "as it is": "rule, measured",
    "re-decided": "rule adapted",
}
"""Variants of `prevalence.csv` -> their names in the charts."""
RAW = ("raw expected", "raw")
FIGURES = {"precision": "Precision", "recall": "Recall", "average_precision": "Average precision"}


@dataclass(frozen=True)
class Shift:
    """The class that matters on validation and on test, with the precision expected and measured on test.

    Attributes:
        val: Counts on validation.
        test: Counts on test.
        expected: Precision expected from validation, at the prevalence of test.
        shown: Precision measured on test.
        units: Number of units with the class, on validation or on test, whichever has fewer.
        effects: Design effect of recall on validation and on test: images that count as one.
    """

    val: Counts
    test: Counts
    expected: PointEstimate
    shown: PointEstimate
    units: int
    effects: tuple[float, float] = (1.0, 1.0)

    @property
    def moved(self) -> bool:
        """Whether the prevalences of validation and test differ."""
        return _ratio(self.val.prevalence, self.test.prevalence) > APART

    @property
    def too_few(self) -> bool:
        """Whether there is too little to compare: few units of the class, or an interval that says nothing."""
        widths = [span[1] - span[0] for one in (self.expected, self.shown) if (span := one.interval) is not None]
        return self.units < FEW or len(widths) < 2 or min(widths) == 0 or max(widths) > TOO_WIDE

    @property
    def notable(self) -> bool:
        """Whether the share changed, nothing was decided, or a figure differs by more than its interval."""
        differs = not self.too_few and (self.precision_gain.clear or self.recall_differs)
        return self.moved or not self.test.predicted or differs

    @property
    def precision_gain(self) -> Difference:
        """Measured minus expected precision; validation and test are independent samples."""
        return difference.of_independent(self.expected.ends, self.shown.ends)

    @property
    def recall_gain(self) -> Difference:
        """Recall on test minus recall on validation, with Newcombe's interval over units."""
        val, test = (
            _recall_with_ends(counts, effect)
            for counts, effect in zip((self.val, self.test), self.effects, strict=True)
        )
        return difference.of_independent(val, test)

    @property
    def recall_differs(self) -> bool:
        """Whether recall differs by more than its interval, and enough units have the class to say so."""
        return self.units >= FEW and self.recall_gain.clear


def find_shift(facts: Facts) -> Shift | None:
    """Compare validation and test; None if one has no images with, or none without, the class that matters."""
    expected, shown = (_look_up(facts, "test", variant, "precision") for variant in ("expected", "as it is"))
    val, test = facts.val_counts, facts.test_counts
    if not 0 < val.positives < val.total or not 0 < test.positives < test.total:
        return None
    units, k = min(facts.val_supports[facts.positive].units, facts.test_support.units), facts.positive
    effect, _ = rate_effects(facts.targets[:, k], facts.decided[:, k], facts.units)
    return Shift(val, test, expected, shown, units, (facts.decision.val_decided_effects[0], effect))


def explain(shift: Shift, name: str) -> tuple[str, ...]:
    """Explain why precision on test differs from validation, and whether anything else may have changed."""
    val, test = shift.val, shift.test
    if not test.predicted:
        return (
            f"{name} is never decided on test, so there is no precision to compare. Its share is "
            f"{write_prevalence(val.prevalence)} in validation and {write_prevalence(test.prevalence)} in test.",
        )
    if not shift.moved:
        return (
            f"The share of {name} is about the same in validation ({write_prevalence(val.prevalence)}) and test "
            f"({write_prevalence(test.prevalence)}). Precision expected from validation: {shift.expected.text}; "
            f"measured on test: {shift.shown.text}. {_verdict(shift)}",
        )
    direction = "fell" if test.prevalence < val.prevalence else "rose"
    return (
        f"The share of {name} is {write_prevalence(val.prevalence)} in validation and "
        f"{write_prevalence(test.prevalence)} in test. Recall does not depend on the share: it is "
        f"{write_share(val.recall)} on validation and {write_share(test.recall)} on test.",
        f"Precision does depend on it: it is {_percent(val.precision)} on validation. At a share of "
        f"{write_prevalence(test.prevalence)}, precision expected from validation is {shift.expected.text}; measured "
        f"on test: {shift.shown.text}. {_verdict(shift, direction)}",
    )


def _verdict(shift: Shift, direction: str = "") -> str:
    """Judge the precision on test; `direction` says how the share moved, empty if it did not."""
    differ = f"test images may differ from validation images{' in more than the share' if direction else ''}."
    question = "anything else changed" if direction else "validation and test differ"
    if shift.units >= FEW and (shift.expected.interval is None or shift.shown.interval is None):
        return f"Without intervals, these figures cannot tell whether {question}."
    if shift.too_few:
        return f"There are too few units to tell whether {question}."
    gain, recall = shift.precision_gain, shift.recall_gain
    if gain.clear:
        than = "lower" if gain.value < 0 else "higher"
        return f"That is {than} than expected, by {write_difference(gain)}: {differ}"
    if shift.recall_differs:
        return f"Recall should be the same, but differs by {write_difference(recall)}: {differ}"
    same = f"The interval of the difference, {write_difference(gain)}, contains 0"
    if direction:
        return f"{same}: the change of the share alone can explain why precision {direction}."
    return f"{same}: no sign that validation and test differ."


def at_prevalences(facts: Facts) -> Part:
    """Show what the decision costs where the class that matters is rarer or more common."""
    name, on = quote(facts.positive_name), facts.test_counts
    heading = "At other prevalences"
    shift = find_shift(facts)
    if shift is None:
        text = (
            f"Validation or test has no images with {name}, or none without it: other prevalences cannot be computed."
        )
        return Part("prevalence", heading, (text,))
    if facts.test_support.rough:
        text = (
            f"The share of {name} is {write_prevalence(shift.val.prevalence)} in validation and "
            f"{write_prevalence(shift.test.prevalence)} in test. Only {facts.test_support.of('test image')} "
            f"{'has' if on.positives == 1 else 'have'} this {facts.words.noun}: too few to say what to expect at "
            "other prevalences, so none are shown."
        )
        return Part("prevalence", heading, (text,))
    texts = explain(shift, name) if shift.notable else ()
    if not shift.moved:
        texts = (f"Precision depends on the share of the {facts.words.noun}; recall does not.", *texts)
    return Part(
        "prevalence",
        heading,
        (*texts, prevalence_slider.remark(facts)),
        drawn(*prevalence_slider.charts(facts)),
        prevalence_slider.legend(facts),
        tables=(prevalence_slider.table(facts),),
        controls=prevalence_slider.controls(facts),
    )


def expected_and_measured(facts: Facts) -> list[Part]:
    """Compare what validation lets expect with what test shows, at some shares; nothing if there is too little."""
    name, on, shift = quote(facts.positive_name), facts.test_counts, find_shift(facts)
    if shift is None or facts.test_support.rough:
        return []
    charts = [
        _picture(on, share, name, f"at {write_prevalence(share)}{place}") for place, share in _pictured(facts, shift)
    ]
    redecides, moves = _differ(facts, "re-decided"), _differ(facts, "raw")
    variants = [
        variant for variant in VARIANTS if (redecides or variant != "re-decided") and (moves or variant not in RAW)
    ]
    figures = [figure for figure in FIGURES if redecides or figure != "recall"]
    charts += [_chart(facts, figure, FIGURES[figure], variants) for figure in figures]
    rule = facts.decision.rule
    text = "Precision and average precision at some shares, as expected from validation and as measured on test."
    stated = facts.decision.prevalences
    if stated and redecides:
        text += f" Rule adapted: rule “{rule}” decides again for that share."
    elif stated:
        text += f" Rule “{rule}” makes the same decisions for every share, so recall is the same."
    caption = (
        "Dots: 1,000 images or more, with the recall and the false alarm rate of test. Expected: from the decisions on "
        "validation. Measured: on test images, weighted to that share. Raw: without correction and rule. Rule: with "
        "both, which “Three scores” calls re-decided. The share is fixed here, so intervals of precision differ from "
        "the headline. Tick: no skill, which is the share itself."
    )
    if redecides:
        caption += " Without adapting, recall is the same at each share, and is shown once."
    texts = (text, *(() if shift.notable else explain(shift, name)), *((_regained(facts),) if moves else ()))
    return [Part("expected", "Expected and measured", texts, drawn(*charts), caption, closed=True)]


def _regained(facts: Facts) -> str:
    """Compare precision and recall in deployment of raw logits with those of the decision."""
    share, name = facts.decision.target[facts.positive], quote(facts.positive_name)
    raw, decided = (
        [_look_up(facts, "target", variant, figure).text for figure in ("precision", "recall")]
        for variant in ("raw", "as it is")
    )
    where = "as in your labels, unless you set decide.target"
    how = facts.words.raw_rule.format(name=name)
    expected = _look_up(facts, "target", "raw expected", "precision").text
    return (
        f"At {write_prevalence(share)}, the share in deployment ({where}), raw logits without correction and rule "
        f"({how}) have precision {raw[0]} (expected from validation: {expected}) and recall {raw[1]}. Re-decided, "
        f"precision is {decided[0]} and recall {decided[1]}."
    )


def _pictured(facts: Facts, shift: Shift) -> list[tuple[str, float]]:
    """Choose different shares: those of validation and test, then the stated ones, the largest first."""
    stated = sorted((other.prevalence for other in facts.decision.prevalences), reverse=True)
    candidates = [(", as in validation", shift.val.prevalence), (", as in test", shift.test.prevalence)]
    candidates += [(", as in deployment", facts.decision.target[facts.positive]), *(("", share) for share in stated)]
    if not shift.moved:
        candidates = candidates[1:]
    shown: list[tuple[str, float]] = []
    for place, share in candidates:
        if all(_ratio(share, other) > DISTINCT for _, other in shown):
            shown.append((place, share))
    return sorted(shown[:PICTURES], key=lambda pair: -pair[1])


def _picture(on: Counts, share: float, name: str, place: str) -> alt.LayerChart:
    images = 1000.0
    while share * images < 10 and images < 1e6:
        images *= 10
    positives = share * images
    tp, fp = on.recall * positives, on.false_positive_rate * (images - positives)
    precision = tp / (tp + fp) if tp + fp else float("nan")
    shown = Counts(*(round(value) for value in (tp, fp, positives - tp, images - positives - fp)))
    notes = (f"recall {write_share(on.recall)}, precision {_percent(precision)}",)
    description = (
        f"Of {write_count(images)} images of which {write_prevalence(share)} are {name}: {shown.tp} found, {shown.fn} "
        f"missed, {counted(shown.fp, 'false alarm')}; {notes[0]}."
    )
    title = f"{write_count(images)} images {place}"
    return dots(dot_groups(shown), title=title, description=description, notes=notes)


def _chart(facts: Facts, figure: str, title: str, variants: Sequence[str]) -> alt.LayerChart:
    import pandas as pd

    listed = [row for row in facts.records("prevalence") if row["figure"] == figure]
    places = list(dict.fromkeys((row["place"], row["prevalence"]) for row in facts.records("prevalence")))
    places = _without_repetition(sorted(places, key=lambda place: -place[1]))
    rows = []
    for place, share in places:
        here = [row for row in listed if (row["place"], row["prevalence"]) == (place, share)]
        for row in sorted(here, key=lambda row: list(VARIANTS).index(row["way"])):
            repeated = figure == "recall" and (place, share) != places[0] and row["way"] != "re-decided"
            if row["way"] in variants and not repeated:
                at, name = f"At {write_prevalence(share)}{_words(place)}", VARIANTS[row["way"]]
                no_skill = float("nan") if figure == "recall" else share
                rows.append(variants_chart.row(at, name, PointEstimate.from_row(row), reference=no_skill))
    chart = pd.DataFrame(rows)
    ends = chart[["value", "low", "high", "reference"]].to_numpy(dtype=float)
    return variants_chart.variants(
        chart,
        title=title,
        description=variants_chart.describe(f"{title} at other prevalences", rows),
        domain=(0.0, 1.0 if figure == "recall" else max([0.02, *ends[np.isfinite(ends)].tolist()])),
    )


def _without_repetition(places: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Leave out shares that are nearly that of test, and stated ones that are that of deployment."""
    share_of = {place: share for place, share in places if place != "stated"}
    return [
        (place, share)
        for place, share in places
        if place == "test"
        or (
            _ratio(share, share_of.get("test", 0.0)) > ALIKE
            and (place == "target" or not math.isclose(share, share_of.get("target", 0.0)))
        )
    ]


def _differ(facts: Facts, variant: str) -> bool:
    """Say whether precision or recall of a variant differ from those of the decision of the run."""
    values: dict[str, dict[tuple[str, float, str], float]] = {"as it is": {}, variant: {}}
    for row in facts.records("prevalence"):
        if row["figure"] != "average_precision" and row["way"] in values:
            values[row["way"]][row["place"], row["prevalence"], row["figure"]] = row["value"]
    measured, other = values["as it is"], values[variant]
    pairs = [(value, other[key]) for key, value in measured.items() if key in other]
    return any(abs(one - two) > SAME or math.isnan(one) != math.isnan(two) for one, two in pairs)


def _look_up(facts: Facts, place: str, variant: str, figure: str) -> PointEstimate:
    key = (place, variant, figure)
    rows = (row for row in facts.records("prevalence") if (row["place"], row["way"], row["figure"]) == key)
    found = next(rows, None)
    return PointEstimate(None) if found is None else PointEstimate.from_row(found)


def _words(place: str) -> str:
    return {"target": ", as in deployment", "test": ", as in test", "stated": ""}[place]


def _recall_with_ends(counts: Counts, effect: float) -> tuple[float, float, float]:
    low, high = intervals.wilson(counts.tp, counts.positives, design_effect=effect)
    return counts.recall, float(low), float(high)


def _ratio(one: float, other: float) -> float:
    return max(one, other) / max(min(one, other), 1e-12)


def _percent(share: float) -> str:
    return "n/a" if finite(share) is None else write_share(share)
