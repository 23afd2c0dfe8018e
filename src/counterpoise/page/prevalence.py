"""The part of the report page that carries precision from one prevalence to another."""

from __future__ import annotations

from dataclasses import dataclass

from counterpoise.charts.dots import dots
from counterpoise.charts.frame import Estimate
from counterpoise.charts.texts import write_count, write_prevalence, write_share
from counterpoise.charts.ways import Measure, dots_by_way
from counterpoise.page.facts import Counts, Facts, quote
from counterpoise.page.headline import groups
from counterpoise.page.parts import Part, drawn
from counterpoise.page.results import estimate
from counterpoise.svg import finite

APART = 1.25
"""Two prevalences whose ratio is larger than this differ, as said in words."""
ALIKE = 1.1
"""Two prevalences whose ratio is smaller than this share a picture."""
PICTURES = 3
WAYS = {"expected": "promised", "as it is": "as it is", "re-decided": "re-decided"}
COLOURS = {"promised": 6, "as it is": 0, "re-decided": 2}
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


def shift(facts: Facts) -> Shift | None:
    """Compare validation and test; None where a side lacks images with or without the class that matters."""
    promised, shown = (_look_up(facts, "test", way, "precision") for way in ("expected", "as it is"))
    val, test = facts.on_val, facts.on_test
    if promised is None or shown is None or not 0 < val.positives < val.total or not 0 < test.positives < test.total:
        return None
    return Shift(val, test, promised, shown)


def explain(found: Shift, name: str) -> str:
    """Say in plain words why precision on test is not that of validation, and whether anything is broken."""
    val, test = found.val, found.test
    if not found.moved:
        return (
            f"Validation and test hold about the same share of {name}: {write_prevalence(val.prevalence)} and "
            f"{write_prevalence(test.prevalence)}. Validation promised a precision of {found.promised.text}; test "
            f"shows {found.shown.text}. {_verdict(found)}"
        )
    direction, rest = ("fell", "rarer") if test.prevalence < val.prevalence else ("rose", "more common")
    return (
        f"In validation {write_prevalence(val.prevalence)} of the images were {name}, in test "
        f"{write_prevalence(test.prevalence)}. Recall does not depend on that share: it was {write_share(val.recall)} "
        f"on validation and {write_share(test.recall)} on test. Precision does: {write_share(val.precision)} on "
        f"validation, and for images in which {name} is as much {rest} as in test, the same decisions promised "
        f"{found.promised.text}. Test shows {found.shown.text}. {_verdict(found, direction)}"
    )


def _verdict(found: Shift, direction: str = "") -> str:
    if found.kept is None:
        return "Whether that was to be expected cannot be said."
    if found.kept:
        return (
            f"Precision {direction} because the prevalence {direction}: nothing broke."
            if direction
            else "The promise was kept."
        )
    low = (found.shown.interval or (0.0, 0.0))[1] < (found.promised.interval or (0.0, 0.0))[0]
    return (
        f"That is {'less' if low else 'more'} than promised: test images differ from validation in more than the share."
    )


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
        made[f"{write_prevalence(share)} {place}"] = _picture(on, share, name)
    redecides = _redecides(facts)
    made |= {title: _chart(facts, figure, title, redecides=redecides) for figure, title in FIGURES.items()}
    rule = facts.decision.rule
    second = f"Below, the same decisions on images in which {name} has other shares: recall stays, precision does not."
    stated = facts.decision.prevalences
    if stated and redecides:
        second += f" Re-decided: rule “{rule}” applied anew to that share."
    elif stated:
        second += f" Rule “{rule}” would decide the same for every share."
    caption = (
        "Dots: what 1000 images (or more, where it is very rare) would give, with the recall and the false alarms of "
        "test. Promised: by the decisions on validation. As it is: test images weighed to that share. No skill is the "
        "share itself. Lines: 95 % intervals."
    )
    return Part("prevalence", heading, (explain(found, name), second), drawn(made), caption)


def _pictured(facts: Facts, found: Shift) -> list[tuple[str, float]]:
    """Choose shares that differ: validation's, test's, and the stated ones from the most common down."""
    stated = sorted((other.prevalence for other in facts.decision.prevalences), reverse=True)
    candidates = [("in validation", found.val.prevalence), ("in test", found.test.prevalence)]
    candidates += [
        ("in deployment", facts.decision.target[facts.positive]),
        *(("as stated", share) for share in stated),
    ]
    if not found.moved:
        candidates = candidates[1:]
    kept: list[tuple[str, float]] = []
    for place, share in candidates:
        if all(_ratio(share, other) > ALIKE for _, other in kept):
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


def _chart(facts: Facts, figure: str, title: str, *, redecides: bool) -> str:
    table = facts.tables["prevalence"]
    places = list(dict.fromkeys(zip(table["place"], table["prevalence"], strict=True)))
    places = _without_repetition(sorted(places, key=lambda place: -place[1]))
    measures = []
    for place, share in places:
        its = {}
        for row in table[(table["place"] == place) & (table["prevalence"] == share)].to_dict("records"):
            if row["figure"] == figure and (redecides or row["way"] != "re-decided"):
                its[WAYS[row["way"]]] = estimate(row)
        no_skill = None if figure == "recall" else share
        measures.append(Measure(f"{write_prevalence(share)} {_words(place)}", its, reference=no_skill))
    alt = "; ".join(f"{m.name}: " + ", ".join(f"{way} {e.text}" for way, e in m.ways.items()) for m in measures)
    return dots_by_way(measures, title=f"{title} at other prevalences", alt=f"{title}. {alt}", series=COLOURS)


def _without_repetition(places: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Leave the target out where test has nearly its share."""
    test = next((share for place, share in places if place == "test"), None)
    return [
        (place, share) for place, share in places if place != "target" or test is None or _ratio(share, test) > ALIKE
    ]


def _redecides(facts: Facts) -> bool:
    """Say whether deciding anew changes anything at any stated share."""
    table = facts.tables["prevalence"]
    stated = table[(table["place"] == "stated") & (table["figure"] != "average_precision")]
    keys = ["prevalence", "figure"]
    values = {way: rows.set_index(keys)["value"] for way, rows in stated.groupby("way")}
    if not {"as it is", "re-decided"} <= set(values):
        return False
    as_it_is, again = values["as it is"].align(values["re-decided"])
    return bool(((as_it_is - again).abs() > 1e-9).any() or (as_it_is.isna() != again.isna()).any())


def _look_up(facts: Facts, place: str, way: str, figure: str) -> Estimate | None:
    table = facts.tables["prevalence"]
    rows = table[(table["place"] == place) & (table["way"] == way) & (table["figure"] == figure)]
    if not len(rows):
        return None
    found = estimate(rows.to_dict("records")[0])
    return None if finite(found.value) is None else found


def _words(place: str) -> str:
    return {"target": "in deployment", "test": "in test", "stated": "as stated"}[place]


def _ratio(one: float, other: float) -> float:
    return max(one, other) / max(min(one, other), 1e-12)


def _percent(share: float) -> str:
    return "n/a" if finite(share) is None else write_share(share)
