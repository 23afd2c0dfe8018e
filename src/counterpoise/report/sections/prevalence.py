"""The part of the report page that carries precision from one prevalence to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from counterpoise.metrics import intervals
from counterpoise.report.charts.dots import dots
from counterpoise.report.charts.frame import Estimate
from counterpoise.report.charts.svg import finite
from counterpoise.report.charts.texts import write_count, write_prevalence, write_share
from counterpoise.report.charts.ways import Measure, dots_by_way
from counterpoise.report.facts import Counts, Facts, quote
from counterpoise.report.layout import Part, drawn
from counterpoise.report.sections.scores import estimate
from counterpoise.report.summary import groups

APART = 1.25
"""Two prevalences whose ratio is larger than this differ, as said in words."""
ALIKE = 1.1
"""Two prevalences whose ratio is smaller than this are one."""
DISTINCT = 1.6
"""Pictures of prevalences whose ratio is smaller than this would look alike."""
PICTURES = 3
TOO_WIDE = 0.5
"""An interval of precision that is wider than this promises nothing."""
WAYS = {
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
        promised: Precision that validation's rates give at test's prevalence.
        shown: Precision on test.
    """

    val: Counts
    test: Counts
    promised: Estimate
    shown: Estimate

    @property
    def moved(self) -> bool:
        """Whether the prevalences differ enough to say so."""
        return _ratio(self.val.prevalence, self.test.prevalence) > APART

    @property
    def kept(self) -> bool | None:
        """Whether the interval on test meets the promised one; None where one is undefined."""
        one, other = self.promised.interval, self.shown.interval
        return None if one is None or other is None else one[0] <= other[1] and other[0] <= one[1]

    @property
    def recall_kept(self) -> bool:
        """Whether both recalls can be one, by their 95 % intervals."""
        (low, high), (other_low, other_high) = (
            intervals.wilson(counts.tp, counts.positives) for counts in (self.val, self.test)
        )
        return bool(low <= other_high and other_low <= high)


def shift(facts: Facts) -> Shift | None:
    """Compare validation and test; None where a side lacks images with or without the class that matters."""
    promised, shown = (_look_up(facts, "test", way, "precision") for way in ("expected", "as it is"))
    val, test = facts.on_val, facts.on_test
    if not 0 < val.positives < val.total or not 0 < test.positives < test.total:
        return None
    return Shift(val, test, promised, shown)


def explain(found: Shift, name: str) -> tuple[str, ...]:
    """Say in plain words why precision on test is not that of validation, and whether anything is broken."""
    val, test = found.val, found.test
    if not test.called:
        return (
            f"{name} is never decided on test, so that there is no precision to compare. Validation and test hold "
            f"{write_prevalence(val.prevalence)} and {write_prevalence(test.prevalence)} of it.",
        )
    if not found.moved:
        return (
            f"Validation and test hold about the same share of {name}: {write_prevalence(val.prevalence)} and "
            f"{write_prevalence(test.prevalence)}. Validation promised a precision of {found.promised.text}; test "
            f"shows {found.shown.text}. {_verdict(found)}",
        )
    direction = "fell" if test.prevalence < val.prevalence else "rose"
    return (
        f"In validation {write_prevalence(val.prevalence)} of the images were {name}, in test "
        f"{write_prevalence(test.prevalence)}. Recall does not depend on that share: it was {write_share(val.recall)} "
        f"on validation and {write_share(test.recall)} on test.",
        f"Precision does depend on it: it was {_percent(val.precision)} on validation, and at "
        f"{write_prevalence(test.prevalence)} the same decisions promised {found.promised.text}. Test shows "
        f"{found.shown.text}. {_verdict(found, direction)}",
    )


def _verdict(found: Shift, direction: str = "") -> str:
    ends = (found.promised.interval, found.shown.interval)
    if found.kept is None or any(end is not None and end[1] - end[0] > TOO_WIDE for end in ends):
        return "These are too few images to say whether anything else changed."
    if not found.kept:
        low = (found.shown.interval or (0.0, 0.0))[1] < (found.promised.interval or (0.0, 0.0))[0]
        than = "less" if low else "more"
        return f"That is {than} than promised: test images differ from validation in more than the share."
    if not found.recall_kept:
        return (
            "Recall should be the same, though, and is not: test images differ from validation in more than the share."
        )
    if direction:
        return f"Precision {direction} because the prevalence {direction}: nothing broke."
    return "The promise was kept."


def at_prevalences(facts: Facts) -> Part:
    """Show precision, recall and average precision of the class that matters where it is rarer or more common."""
    name, on = quote(facts.positive_name), facts.on_test
    heading = "At other prevalences"
    found = shift(facts)
    if found is None:
        text = f"Validation or test lacks images with or without {name}: nothing can be carried to another prevalence."
        return Part("prevalence", heading, (text,))
    made = {}
    for place, share in _pictured(facts, found):
        made[f"At {write_prevalence(share)}{place}"] = _picture(on, share, name)
    redecides, moves = _differ(facts, "re-decided"), _differ(facts, "raw")
    ways = [way for way in WAYS if (redecides or way != "re-decided") and (moves or way not in RAW)]
    made |= {title: _chart(facts, figure, title, ways) for figure, title in FIGURES.items()}
    rule = facts.decision.rule
    second = "Recall stays whatever the share is; precision does not."
    stated = facts.decision.prevalences
    if stated and redecides:
        second += f" Re-decided: rule “{rule}” applied anew to a share."
    elif stated:
        second += f" Rule “{rule}” decides the same for every share."
    texts = (*explain(found, name), *([_regained(facts)] if moves else []), second)
    caption = (
        "Dots: as many images, with the recall and the false alarms of test. Promised: by the decisions on validation. "
        "As it is: test images weighed to that share, which is held fixed, so that intervals are narrower than in the "
        "headline. No skill: the share itself."
    )
    return Part("prevalence", heading, texts, drawn(made), caption, short="Prevalence")


def _regained(facts: Facts) -> str:
    """Say what precision and recall raw logits would have in deployment, and what correction and rule make of it."""
    share, name = facts.decision.target[facts.positive], quote(facts.positive_name)
    raw, decided = (
        [_look_up(facts, "target", way, figure).text for figure in ("precision", "recall")]
        for way in ("raw", "as it is")
    )
    how = f"{name} from a probability of 0.5 on" if facts.many else "the most probable class"
    promised = _look_up(facts, "target", "raw expected", "precision").text
    return (
        f"Without correction and rule, at {write_prevalence(share)} as in deployment, {how} by raw logits has a "
        f"precision of {raw[0]}, where validation promised {promised}, and a recall of {raw[1]}. With them, precision "
        f"is {decided[0]} and recall {decided[1]}."
    )


def _pictured(facts: Facts, found: Shift) -> list[tuple[str, float]]:
    """Choose shares that differ: validation's, test's, and the stated ones from the most common down."""
    stated = sorted((other.prevalence for other in facts.decision.prevalences), reverse=True)
    candidates = [(", as in validation", found.val.prevalence), (", as in test", found.test.prevalence)]
    candidates += [(", as in deployment", facts.decision.target[facts.positive]), *(("", share) for share in stated)]
    if not found.moved:
        candidates = candidates[1:]
    kept: list[tuple[str, float]] = []
    for place, share in candidates:
        if all(_ratio(share, other) > DISTINCT for _, other in kept):
            kept.append((place, share))
    return sorted(kept[:PICTURES], key=lambda pair: -pair[1])


def _picture(on: Counts, share: float, name: str) -> str:
    images = 1000.0
    while share * images < 10 and images < 1e6:
        images *= 10
    positives = share * images
    found, alarms = on.recall * positives, on.false_positive_rate * (images - positives)
    # Counts would round what is rare: the numbers of the legend are rounded, the dots are not.
    spread = [found, alarms, positives - found, images - positives - alarms]
    tp, fp, fn, tn = (round(value) for value in spread)
    precision = found / (found + alarms) if found + alarms else float("nan")
    notes = (f"recall {write_share(on.recall)}, precision {_percent(precision)}",)
    alt = (
        f"Of {write_count(images)} images of which {write_prevalence(share)} are {name}: {tp} found, {fn} missed, {fp} "
        f"others wrongly called so; {notes[0]}."
    )
    return dots(groups(Counts(tp, fp, fn, tn)), title=f"{name} at {write_prevalence(share)}", alt=alt, notes=notes)


def _chart(facts: Facts, figure: str, title: str, ways: Sequence[str]) -> str:
    table = facts.tables["prevalence"]
    places = list(dict.fromkeys(zip(table["place"], table["prevalence"], strict=True)))
    places = _without_repetition(sorted(places, key=lambda place: -place[1]))
    measures = []
    for place, share in places:
        its = {}
        here = table[(table["place"] == place) & (table["prevalence"] == share) & (table["figure"] == figure)]
        for row in sorted(here.to_dict("records"), key=lambda row: list(WAYS).index(row["way"])):
            if row["way"] in ways:
                its[WAYS[row["way"]]] = estimate(row)
        no_skill = None if figure == "recall" else share
        measures.append(Measure(f"At {write_prevalence(share)}{_words(place)}", its, reference=no_skill))
    alt = "; ".join(f"{m.name}: " + ", ".join(f"{way} {e.text}" for way, e in m.ways.items()) for m in measures)
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


def _differ(facts: Facts, way: str) -> bool:
    """Say whether precision or recall of a way differ from those of the decision as it is, wherever both are stated."""
    table = facts.tables["prevalence"]
    decided = table[table["figure"] != "average_precision"]
    keys = ["place", "prevalence", "figure"]
    values = {known: rows.set_index(keys)["value"] for known, rows in decided.groupby("way")}
    if not {"as it is", way} <= set(values):
        return False
    as_it_is, other = values["as it is"].align(values[way], join="inner")
    return bool(((as_it_is - other).abs() > 1e-9).any() or (as_it_is.isna() != other.isna()).any())


def _look_up(facts: Facts, place: str, way: str, figure: str) -> Estimate:
    table = facts.tables["prevalence"]
    rows = table[(table["place"] == place) & (table["way"] == way) & (table["figure"] == figure)]
    if not len(rows):
        return Estimate(None)
    return estimate(rows.to_dict("records")[0])


def _words(place: str) -> str:
    return {"target": ", as in deployment", "test": ", as in test", "stated": ""}[place]


def _ratio(one: float, other: float) -> float:
    return max(one, other) / max(min(one, other), 1e-12)


def _percent(share: float) -> str:
    return "n/a" if finite(share) is None else write_share(share)
