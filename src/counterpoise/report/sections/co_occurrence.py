"""The section of the report that shows how oversampling changed which labels occur together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise import labels
from counterpoise.report.charts.changes import changes
from counterpoise.report.facts import Facts, counted, quote
from counterpoise.report.parts import Part, drawn
from counterpoise.report.texts import write_prevalence, write_value

if TYPE_CHECKING:
    import altair as alt

PAIRS = 5
"""Number of pairs shown that gained most, and of those that lost most."""
Change = tuple[str, float, float]
"""A name, and its share of training tiles and of samples."""
MOST_LABELS = 5
"""Samples with this many labels or more are counted together."""


def resampled(facts: Facts) -> bool:
    """Say whether sampling changed the counts of labels, and so possibly which labels occur together."""
    prior = facts.prior
    return prior.drawn_counts != prior.train_counts


def co_occurrence(facts: Facts) -> Part:
    """Show how oversampling changed which labels occur together."""
    each, times = per_draw(facts)
    before, after = (np.bincount(each.clip(max=MOST_LABELS), weight, MOST_LABELS + 1) for weight in (None, times))
    names = [*(counted(n, "label") for n in range(MOST_LABELS)), f"{MOST_LABELS} labels or more"]
    names[0] = "no label"
    numbers = [
        (name, float(old / before.sum()), float(new / max(after.sum(), 1)))
        for name, old, new in zip(names, before, after, strict=True)
        if old or new
    ]
    pairs = moved_pairs(facts)
    charts = [
        _chart(rows, heading)
        for heading, rows in (("Labels per sample", numbers), ("Pairs that changed most", pairs))
        if rows
    ]
    mean, several = (
        tuple(float(np.average(values, weights=weight)) for weight in (None, times)) for values in (each, each > 1)
    )
    text = (
        f"Repeating a tile repeats all its labels. With strategy “{facts.remedy('oversample.strategy')}”, an epoch has "
        f"{counted(facts.prior.drawn_total, 'sample')} of {counted(facts.prior.train_total, 'tile')}. The mean number "
        f"of labels is {write_value(mean[0])} per tile and {write_value(mean[1])} per sample. Several labels are on "
        f"{write_prevalence(several[0])} of the tiles and {write_prevalence(several[1])} of the samples."
    )
    own = facts.positive
    counts = ((facts.prior.train_counts, facts.prior.train_total), (facts.prior.drawn_counts, facts.prior.drawn_total))
    shares = [write_prevalence(count[own] / max(total, 1)) for count, total in counts]
    mattering = f"{quote(facts.positive_name)} is on {shares[0]} of the tiles and {shares[1]} of the samples."
    return Part("together", "Labels that occur together", (text, mattering), drawn(*charts), closed=True)


def _chart(rows: Sequence[Change], heading: str) -> alt.LayerChart:
    import pandas as pd

    texts = "; ".join(f"{name}: {write_prevalence(old)} → {write_prevalence(new)}" for name, old, new in rows)
    return changes(
        pd.DataFrame(rows, columns=["name", "before", "after"]),
        names=("of training tiles", "of samples"),
        title=heading,
        description=f"{heading}, from training tiles to samples. {texts}",
    )


def per_draw(facts: Facts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the labels of each training tile, and its samples per epoch; shape (n,) each."""
    tiles = facts.train_tiles
    each = np.array([len(labels.split(cell)) for cell in tiles["labels"]], dtype=np.int64)
    times = tiles["tile_id"].map(facts.draws["tile_id"].value_counts()).fillna(0).to_numpy()
    return each, np.asarray(times, dtype=np.int64)


def moved_pairs(facts: Facts) -> list[Change]:
    """Find the pairs of labels whose share rises or falls most from tiles to samples."""
    prior = facts.prior
    before, after = (
        np.triu(np.array(pairs, dtype=np.float64)) / max(total, 1)
        for pairs, total in ((prior.train_pairs, prior.train_total), (prior.drawn_pairs, prior.drawn_total))
    )
    gain = after - before
    ranked = np.argsort(-gain, axis=None, kind="stable")
    ends = [*ranked[:PAIRS], *ranked[-PAIRS:]] if gain.size > 2 * PAIRS else [*ranked]
    places = [np.unravel_index(int(place), gain.shape) for place in ends if abs(gain.flat[place]) > 1e-9]
    return [(f"{facts.names[k]} + {facts.names[j]}", float(before[k, j]), float(after[k, j])) for k, j in places]
