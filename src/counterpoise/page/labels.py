"""The parts of the report page that only many labels have: thresholds, and labels that come together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counterpoise import labels
from counterpoise.charts.bars import Row, bars_with_intervals
from counterpoise.charts.dumbbells import Change, changes
from counterpoise.charts.frame import Estimate
from counterpoise.charts.texts import write_count, write_prevalence, write_value
from counterpoise.page.facts import Facts, counted, quote
from counterpoise.page.parts import Part, drawn, others, shown_classes

PAIRS = 5
"""So many pairs that gained most are shown, and as many that lost."""
MOST_LABELS = 5
"""Draws with so many labels or more are shown together."""


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
