"""The parts of the report page that only many labels have: thresholds, and labels that come together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counterpoise import labels
from counterpoise.calibration import prior_ledger
from counterpoise.report.charts.bars import Row, bars_with_intervals
from counterpoise.report.charts.dumbbells import Change, changes
from counterpoise.report.charts.frame import Estimate
from counterpoise.report.charts.texts import write_count, write_prevalence, write_value
from counterpoise.report.charts.ways import Measure, dots_by_way
from counterpoise.report.facts import Facts, counted, quote
from counterpoise.report.layout import Part, drawn, others, shown_classes
from counterpoise.report.sections.prior_ledger import MATERIAL
from counterpoise.report.sections.scores import COLOURS

PAIRS = 5
"""So many pairs that gained most are shown, and as many that lost."""
MOST_LABELS = 5
"""Draws with so many labels or more are shown together."""
RAW, MOVED, DECIDED = "raw, 0.5", "raw, moved", "re-decided"
"""Ways to decide a label: raw outputs from 0.5 on, or from w / (1 + w) on, or as the rule does."""


def thresholds(facts: Facts) -> Part:
    """Show the threshold of each label, and on how many images of validation it rests."""
    chosen, names = facts.decision, facts.names
    alone = [name not in chosen.pooled for name in names]
    rows = []
    for k in facts.order[0]:
        limit = chosen.thresholds[k]
        written = "unattainable" if limit is None else write_value(limit, 3)
        own = "" if alone[k] else ", pooled"
        text = f"{written}, n = {write_count(chosen.val_images[k])}{own}"
        rows.append(Row(names[k], Estimate(limit), chosen.target[k], focus=k == facts.positive, text=text))
    alt = "; ".join(f"{row.name}: {row.text}" for row in rows)
    chart = bars_with_intervals(
        rows, title="Threshold of each label", alt=alt, upper=_upper(facts), reference_name="share in deployment"
    )
    known = [limit for limit in chosen.thresholds if limit is not None]
    text = f"Rule “{chosen.rule}” gives each label a threshold of its own"
    text += f": from {write_value(min(known), 3)} to {write_value(max(known), 3)}." if known else "."
    if never := len(names) - len(known):
        text += f" For {counted(never, 'label')} validation promises no threshold: never decided."
    if chosen.at_least:
        text += f" Every image gets {counted(chosen.at_least, 'label')} at least, the most probable."
    pooled = len(chosen.pooled)
    calibrated = f"{counted(len(names) - pooled, 'label is', 'labels are')} calibrated alone"
    calibrated += f"; {pooled} share one calibration (pooled), for want of validation images." if pooled else "."
    cells = {
        k: (
            write_count(chosen.val_images[k]),
            "unattainable" if chosen.thresholds[k] is None else write_value(chosen.thresholds[k], 3),
            "alone" if alone[k] else "pooled",
        )
        for k in facts.order[1]
    }
    folds = others(facts, "Threshold of each label.", ("in validation", "threshold", "calibrated"), cells)
    caption = f"n: images of validation that bear the label.{shown_classes(facts)}"
    return Part("thresholds", "Thresholds", (text, calibrated), drawn({"": chart}), caption, "labels", folds=folds)


def _upper(facts: Facts) -> float:
    """End the axis of thresholds where they end."""
    shown = [facts.decision.thresholds[k] or 0.0 for k in facts.order[0]]
    return max(0.1, *shown, *(facts.decision.target[k] for k in facts.order[0]))


def raised(facts: Facts) -> bool:
    """Say whether raw outputs of labels hold under other odds than those of the labels, or under unknown ones."""
    factors = odds_factors(facts)
    return facts.many and (factors is None or bool(np.max(np.maximum(factors, 1 / factors)) > MATERIAL))


def odds_factors(facts: Facts) -> NDArray[np.float64] | None:
    """Compute by how much the whole ledger multiplies the odds of each label, (c,); None where a line is unknown."""
    chosen = facts.decision
    seen = prior_ledger.seen(chosen.natural, chosen.ledger, task=chosen.task)
    return None if seen is None else np.exp(prior_ledger.offset(chosen.natural, seen, task=chosen.task))


def called_by_way(facts: Facts) -> dict[str, NDArray[np.int64]]:
    """Count the test images on which each label is decided by raw outputs, by them with threshold moved, by the rule.

    Returns:
        Name of the way to (c,) counts. The second way, raw outputs from w / (1 + w) on, is there where w is known.
    """
    factors, raw = odds_factors(facts), facts.test.logits
    found = {RAW: raw >= 0}
    if factors is not None:
        found[MOVED] = raw >= np.log(factors)
    found[DECIDED] = facts.decided
    return {way: decided.sum(axis=0) for way, decided in found.items()}


def called(facts: Facts) -> Part:
    """Show how often each label is decided by a threshold of 0.5 on raw outputs, and once the ledger is undone."""
    factors, ways, images = odds_factors(facts), called_by_way(facts), len(facts.borne)
    borne = facts.borne.sum(axis=0)

    def measure(k: int) -> Measure:
        shares = {way: Estimate(counts[k] / max(images, 1)) for way, counts in ways.items()}
        note = "" if factors is None else f"0.5 means p = {write_value(1 / (1 + factors[k]), 3)}"
        return Measure(facts.names[k], shares, note, reference=borne[k] / max(images, 1))

    measures = [measure(k) for k in facts.order[0]]
    alt = "Share of test images on which a label is decided. " + "; ".join(
        f"{m.name}: {write_value(m.reference or 0.0)} bear it, "
        + ", ".join(f"{way} {share.text}" for way, share in m.ways.items())
        for m in measures
    )
    chart = dots_by_way(
        measures,
        title="How often each label is decided",
        alt=alt,
        series={RAW: COLOURS["raw"], MOVED: COLOURS["calibrated"], DECIDED: COLOURS["re-decided"]},
        reference_name="bear the label",
    )
    totals = {way: write_count(counts.sum()) for way, counts in ways.items()}
    text = (
        f"Test bears {counted(int(borne.sum()), 'label')}. Raw outputs from 0.5 on decide {totals[RAW]}, the rule "
        f"{totals[DECIDED]}."
    )
    why = "What a remedy did to the odds has no closed form here, so calibration alone undoes it."
    if factors is not None:
        text = f"{text[:-1]}; raw outputs from w / (1 + w) on {totals[MOVED]}."
        why = (
            "The ledger multiplies the odds of each label by w, which makes w p / (w p + 1 − p) of a probability p: a "
            "threshold of 0.5 then means p = 1 / (1 + w). Moving the threshold to w / (1 + w) undoes that, and so does "
            + (
                "what the ledger adds to the logits, which is −log w where validation has the shares of all labels."
                if any(facts.decision.val_offset)
                else f"“{facts.decision.calibrator}”, which learned the odds of validation."
            )
        )
    cells = {k: (write_count(borne[k]), *(write_count(counts[k]) for counts in ways.values())) for k in facts.order[1]}
    folds = others(facts, "Test images, by label.", ("bear it", *ways), cells)
    caption = f"The tick is the share of test images that bear the label.{shown_classes(facts)}"
    heading = "How often each label is decided"
    return Part("called", heading, (text, why), drawn({"": chart}), caption, short="Decided", folds=folds)


def resampled(facts: Facts) -> bool:
    """Say whether tiles were drawn unequally often, so that labels may come together otherwise than before."""
    prior = facts.prior
    return facts.many and prior.drawn_counts != prior.train_counts


def together(facts: Facts) -> Part:
    """Show what drawing tiles again did to labels that come together."""
    each, times = per_draw(facts)
    before, after = (np.bincount(each.clip(max=MOST_LABELS), weight, MOST_LABELS + 1) for weight in (None, times))
    names = [*(counted(n, "label") for n in range(MOST_LABELS)), f"{MOST_LABELS} labels or more"]
    names[0] = "no label"
    numbers = [
        Change(name, float(old / before.sum()), float(new / max(after.sum(), 1)))
        for name, old, new in zip(names, before, after, strict=True)
        if old or new
    ]
    pairs = moved_pairs(facts)
    made = {
        heading: changes(
            rows,
            title=heading,
            alt=f"{heading}, from training tiles to draws. " + "; ".join(f"{row.name}: {row.text}" for row in rows),
            names=("of training tiles", "of draws"),
        )
        for heading, rows in (("Labels on one draw", numbers), ("Pairs that gained or lost most", pairs))
        if rows
    }
    mean, several = (
        tuple(float(np.average(values, weights=weight)) for weight in (None, times)) for values in (each, each > 1)
    )
    text = (
        f"A tile that is drawn again brings all its labels along. By “{facts.remedy('oversample.strategy')}” an epoch "
        f"has {counted(facts.prior.drawn_total, 'draw')} of {counted(facts.prior.train_total, 'tile')}: "
        f"{write_value(mean[0])} labels on each became {write_value(mean[1])}, and those with several went from "
        f"{write_prevalence(several[0])} to {write_prevalence(several[1])}."
    )
    own = facts.positive
    counts = ((facts.prior.train_counts, facts.prior.train_total), (facts.prior.drawn_counts, facts.prior.drawn_total))
    shares = [write_prevalence(count[own] / max(total, 1)) for count, total in counts]
    mattering = f"{quote(facts.positive_name)} went from {shares[0]} of the tiles to {shares[1]} of the draws."
    return Part("together", "Labels that come together", (text, mattering), drawn(made), short="Together")


def per_draw(facts: Facts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the labels of each training tile, and how often it is drawn; (n,) each."""
    tiles = facts.train_tiles
    each = np.array([len(labels.split(cell)) for cell in tiles["labels"]], dtype=np.int64)
    times = tiles["tile_id"].map(facts.draws["tile_id"].value_counts()).fillna(0).to_numpy()
    return each, np.asarray(times, dtype=np.int64)


def moved_pairs(facts: Facts) -> list[Change]:
    """Find the pairs of labels whose share of the draws gained most over their share of the tiles, or lost most."""
    prior = facts.prior
    before, after = (
        np.triu(np.array(pairs, dtype=np.float64)) / max(total, 1)
        for pairs, total in ((prior.train_pairs, prior.train_total), (prior.drawn_pairs, prior.drawn_total))
    )
    gain = after - before
    ranked = np.argsort(-gain, axis=None, kind="stable")
    ends = [*ranked[:PAIRS], *ranked[-PAIRS:]] if gain.size > 2 * PAIRS else [*ranked]
    places = [np.unravel_index(int(place), gain.shape) for place in ends if abs(gain.flat[place]) > 1e-9]
    return [Change(f"{facts.names[k]} + {facts.names[j]}", float(before[k, j]), float(after[k, j])) for k, j in places]
