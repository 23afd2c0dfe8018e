"""The part of the report page that carries precision from one prevalence to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from counterpoise.metrics import intervals
from counterpoise.report.charts.dot_whisker import Measure, dots_by_way
from counterpoise.report.charts.dots import dots
from counterpoise.report.charts.frame import PointEstimate
from counterpoise.report.charts.svg import finite
from counterpoise.report.charts.texts import write_count, write_prevalence, write_share
from counterpoise.report.facts import Counts, Facts, quote
from counterpoise.report.parts import Part, as_markup
from counterpoise.report.summary import dot_groups

APART = 1.25
"""Two prevalences whose ratio is larger than this differ, as said in words."""
ALIKE = 1.1
"""Two prevalences whose ratio is smaller than this are one."""
DISTINCT = 1.6
"""Pictures of prevalences whose ratio is smaller than this would look alike."""
PICTURES = 3
TOO_WIDE = 0.5
"""An interval of precision that is wider than this promises nothing."""
VARIANTS = {
    "raw expected": "raw promise",
    "raw": "raw",
    "expected": "promised",
    "as it is": "as it is",
    "re-decided": "re-decided",
}
COLOURS = {"raw promise": 3, "raw": 1, "promised": 6, "as it is": 0, "re-decided": 2}
RAW = ("raw expected", "raw")
FIGURES = {"precision": "Precision", "recall": "Recall", "average_precision": "Average precision"}


@dataclass(frozen=True)
class Shift:
    """The class that matters on validation and on test, and what the one promised for the other.

    Attributes:
        val: Counts on validation.
        test: Counts on test.
        expected: Precision that validation's rates give at test's prevalence.
        shown: Precision on test.
    """

    val: Counts
    test: Counts
    expected: PointEstimate
    shown: PointEstimate

    @property
    def moved(self) -> bool:
        """Whether the prevalences differ enough to say so."""
        return _ratio(self.val.prevalence, self.test.prevalence) > APART

    @property
    def consistent(self) -> bool | None:
        """Whether the interval on test meets the expected one; None where one is undefined."""
        one, other = self.expected.interval, self.shown.interval
        return None if one is None or other is None else one[0] <= other[1] and other[0] <= one[1]

    @property
    def recall_consistent(self) -> bool:
        """Whether both recalls can be one, by their 95 % intervals."""
        (low, high), (other_low, other_high) = (
            intervals.wilson(counts.tp, counts.positives) for counts in (self.val, self.test)
        )
        return bool(low <= other_high and other_low <= high)


def find_shift(facts: Facts) -> Shift | None:
    """Compare validation and test; None where a side lacks images with or without the class that matters."""
    expected, shown = (_look_up(facts, "test", variant, "precision") for variant in ("expected", "as it is"))
    val, test = facts.val_counts, facts.test_counts
    if not 0 < val.positives < val.total or not 0 < test.positives < test.total:
        return None
    return Shift(val, test, expected, shown)


def explain(shift: Shift, name: str) -> tuple[str, ...]:
    """Say in plain words why precision on test is not that of validation, and whether anything is broken."""
    val, test = shift.val, shift.test
    if not test.predicted:
        return (
            f"{name} is never decided on test, so that there is no precision to compare. Validation and test hold "
            f"{write_prevalence(val.prevalence)} and {write_prevalence(test.prevalence)} of it.",
        )
    if not shift.moved:
        return (
            f"Validation and test hold about the same share of {name}: {write_prevalence(val.prevalence)} and "
            f"{write_prevalence(test.prevalence)}. Validation promised a precision of {shift.expected.text}; test "
            f"shows {shift.shown.text}. {_verdict(shift)}",
        )
    direction = "fell" if test.prevalence < val.prevalence else "rose"
    return (
        f"In validation {write_prevalence(val.prevalence)} of the images were {name}, in test "
        f"{write_prevalence(test.prevalence)}. Recall does not depend on that share: it was {write_share(val.recall)} "
        f"on validation and {write_share(test.recall)} on test.",
        f"Precision does depend on it: it was {_percent(val.precision)} on validation, and at "
        f"{write_prevalence(test.prevalence)} the same decisions promised {shift.expected.text}. Test shows "
        f"{shift.shown.text}. {_verdict(shift, direction)}",
    )


def _verdict(shift: Shift, direction: str = "") -> str:
    ends = (shift.expected.interval, shift.shown.interval)
    if shift.consistent is None or any(end is not None and end[1] - end[0] > TOO_WIDE for end in ends):
        return "These are too few images to say whether anything else changed."
    if not shift.consistent:
        low = (shift.shown.interval or (0.0, 0.0))[1] < (shift.expected.interval or (0.0, 0.0))[0]
        than = "less" if low else "more"
        return f"That is {than} than promised: test images differ from validation in more than the share."
    if not shift.recall_consistent:
        return (
            "Recall should be the same, though, and is not: test images differ from validation in more than the share."
        )
    if direction:
        return f"Precision {direction} because the prevalence {direction}: nothing broke."
    return "The promise was kept."


def at_prevalences(facts: Facts) -> Part:
    """Show precision, recall and average precision of the class that matters where it is rarer or more common."""
    name, on = quote(facts.positive_name), facts.test_counts
    heading = "At other prevalences"
    shift = find_shift(facts)
    if shift is None:
        text = f"Validation or test lacks images with or without {name}: nothing can be carried to another prevalence."
        return Part("prevalence", heading, (text,))
    charts = {}
    for place, share in _pictured(facts, shift):
        charts[f"At {write_prevalence(share)}{place}"] = _picture(on, share, name)
    redecides, moves = _differ(facts, "re-decided"), _differ(facts, "raw")
    variants = [
        variant for variant in VARIANTS if (redecides or variant != "re-decided") and (moves or variant not in RAW)
    ]
    charts |= {title: _chart(facts, figure, title, variants) for figure, title in FIGURES.items()}
    rule = facts.decision.rule
    second = "Recall stays whatever the share is; precision does not."
    stated = facts.decision.prevalences
    if stated and redecides:
        second += f" Re-decided: rule “{rule}” applied anew to a share."
    elif stated:
        second += f" Rule “{rule}” decides the same for every share."
    texts = (*explain(shift, name), *([_regained(facts)] if moves else []), second)
    caption = (
        "Dots: as many images, with the recall and the false alarms of test. Promised: by the decisions on validation. "
        "As it is: test images weighed to that share, which is held fixed, so that intervals are narrower than in the "
        "headline. No skill: the share itself."
    )
    return Part("prevalence", heading, texts, as_markup(charts), caption, short="Prevalence")


def _regained(facts: Facts) -> str:
    """Say what precision and recall raw logits would have in deployment, and what correction and rule make of it."""
    share, name = facts.decision.target[facts.positive], quote(facts.positive_name)
    raw, decided = (
        [_look_up(facts, "target", variant, figure).text for figure in ("precision", "recall")]
        for variant in ("raw", "as it is")
    )
    how = facts.words.raw_rule.format(name=name)
    expected = _look_up(facts, "target", "raw expected", "precision").text
    return (
        f"Without correction and rule, at {write_prevalence(share)} as in deployment, {how} by raw logits has a "
        f"precision of {raw[0]}, where validation promised {expected}, and a recall of {raw[1]}. With them, precision "
        f"is {decided[0]} and recall {decided[1]}."
    )


def _pictured(facts: Facts, shift: Shift) -> list[tuple[str, float]]:
    """Choose shares that differ: validation's, test's, and the stated ones from the most common down."""
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


def _picture(on: Counts, share: float, name: str) -> str:
    images = 1000.0
    while share * images < 10 and images < 1e6:
        images *= 10
    positives = share * images
    tp, fp = on.recall * positives, on.false_positive_rate * (images - positives)
    precision = tp / (tp + fp) if tp + fp else float("nan")
    shown = Counts(*(round(value) for value in (tp, fp, positives - tp, images - positives - fp)))
    notes = (f"recall {write_share(on.recall)}, precision {_percent(precision)}",)
    alt = (
        f"Of {write_count(images)} images of which {write_prevalence(share)} are {name}: {shown.tp} found, {shown.fn} "
        f"missed, {shown.fp} others wrongly called so; {notes[0]}."
    )
    return dots(dot_groups(shown), title=f"{name} at {write_prevalence(share)}", alt=alt, notes=notes)


def _chart(facts: Facts, figure: str, title: str, variants: Sequence[str]) -> str:
    table = facts.tables["prevalence"]
    places = list(dict.fromkeys(zip(table["place"], table["prevalence"], strict=True)))
    places = _without_repetition(sorted(places, key=lambda place: -place[1]))
    measures = []
    for place, share in places:
        estimates = {}
        here = table[(table["place"] == place) & (table["prevalence"] == share) & (table["figure"] == figure)]
        for row in sorted(here.to_dict("records"), key=lambda row: list(VARIANTS).index(row["way"])):
            if row["way"] in variants:
                estimates[VARIANTS[row["way"]]] = PointEstimate.from_row(row)
        no_skill = None if figure == "recall" else share
        measures.append(Measure(f"At {write_prevalence(share)}{_words(place)}", estimates, reference=no_skill))
    alt = "; ".join(f"{m.name}: " + ", ".join(f"{variant} {e.text}" for variant, e in m.ways.items()) for m in measures)
    title = f"{title} at other prevalences"
    return dots_by_way(
        measures,
        title=title,
        alt=f"{title}. {alt}",
        domain=None if figure == "recall" else _domain(measures),
        series=COLOURS,
    )


def _domain(measures: list[Measure]) -> tuple[float, float]:
    """End the axis where the figures end, since the precision of what is rare would crowd at 0."""
    ends = [end for m in measures for e in m.ways.values() for end in (e.value, *(e.interval or ()))]
    known = [value for value in map(finite, [*ends, *(m.reference for m in measures)]) if value is not None]
    return 0.0, max([0.02, *known])


def _without_repetition(places: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Leave the target out where test has nearly its share."""
    test = next((share for place, share in places if place == "test"), None)
    return [
        (place, share) for place, share in places if place != "target" or test is None or _ratio(share, test) > ALIKE
    ]


def _differ(facts: Facts, variant: str) -> bool:
    """Say whether precision or recall of a variant differ from those of the run's decision, where both are stated."""
    table = facts.tables["prevalence"]
    decided = table[table["figure"] != "average_precision"]
    keys = ["place", "prevalence", "figure"]
    values = {name: rows.set_index(keys)["value"] for name, rows in decided.groupby("way")}
    if not {"as it is", variant} <= set(values):
        return False
    as_it_is, other = values["as it is"].align(values[variant], join="inner")
    return bool(((as_it_is - other).abs() > 1e-9).any() or (as_it_is.isna() != other.isna()).any())


def _look_up(facts: Facts, place: str, variant: str, figure: str) -> PointEstimate:
    table = facts.tables["prevalence"]
    rows = table[(table["place"] == place) & (table["way"] == variant) & (table["figure"] == figure)]
    if not len(rows):
        return PointEstimate(None)
    return PointEstimate.from_row(rows.to_dict("records")[0])


def _words(place: str) -> str:
    return {"target": ", as in deployment", "test": ", as in test", "stated": ""}[place]


def _ratio(one: float, other: float) -> float:
    return max(one, other) / max(min(one, other), 1e-12)


def _percent(share: float) -> str:
    return "n/a" if finite(share) is None else write_share(share)
