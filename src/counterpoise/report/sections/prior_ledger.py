"""The section of the report that shows the prior ledger and the offsets on the logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts.decision import Decision
from counterpoise.calibration import calibrators, prior_ledger
from counterpoise.report.charts.ledger import shares_by_step
from counterpoise.report.facts import Facts, counted, listed, quote
from counterpoise.report.parts import Fold, Part, Table, drawn
from counterpoise.report.texts import write_prevalence, write_value

if TYPE_CHECKING:
    import altair as alt

UNKNOWN = ": unknown"
"""Behind the name of a step whose factors cannot be calculated."""
SELECTED = 5
"""Largest number of classes in the chart and the first table."""
MATERIAL = 1.05
"""The text names a factor if it is larger than this."""
NO_OFFSET = float(np.log(MATERIAL))
"""Offsets smaller than this, in nats, do not change a decision visibly."""


def ledger(facts: Facts) -> Part:
    """Show how each remedy changed the prior, and the offsets that undo it."""
    selected = _selected(facts)
    caption = (
        "Rows: shares; the factor by which each remedy multiplies the "
        f"{facts.words.prior_factor}; the offsets that are added to the logits."
    )
    table = Table(caption, ("", *(facts.names[k] for k in selected)), _lines(facts, selected))
    folds: tuple[Fold, ...] = ()
    if len(selected) < len(facts.names):
        cells = _lines(facts, range(len(facts.names)))
        rows = tuple((name, *(cell[k + 1] for cell in cells)) for k, name in enumerate(facts.names))
        everything = Table(caption, (facts.words.noun, *(cell[0] for cell in cells)), rows)
        folds = (Fold(facts.all_classes, (everything,)),)
    return Part(
        "ledger",
        "Prior ledger",
        _text(facts),
        drawn(_chart(facts, sorted(selected, key=lambda k: k != facts.positive))),
        f"The chart shows the share of a {facts.words.noun} after each line of the ledger. If a curve bends, a remedy "
        "changed the share that the model sees. Offsets on the logits undo this, first to validation, then to the "
        "target.",
        tables=(table,) if _changing(facts) else (),
        folds=folds if _changing(facts) else (Fold("All steps of the ledger", (table,)), *folds),
        closed=True,
    )


def _chart(facts: Facts, selected: Sequence[int]) -> alt.LayerChart:
    """Draw the share of selected classes after each line."""
    import pandas as pd

    lines = [
        f"× {line.piece}\n= {line.remedy}{UNKNOWN if line.factors is None else ''}" for line in facts.decision.ledger
    ]
    steps, shares = ["in the labels", *lines, "validation", "target"], _shares(facts)
    description = f"Share of each {facts.words.noun}, line by line. " + "; ".join(
        f"{facts.names[k]}: "
        + ", ".join(
            f"{' '.join(step.split())} {'unknown' if share is None else write_prevalence(share[k])}"
            for step, share in zip(steps, shares, strict=True)
        )
        for k in selected
    )
    nan = float("nan")
    rows = [
        (facts.names[k], step, nan if share is None else share[k])
        for k in selected
        for step, share in enumerate(shares)
    ]
    table = pd.DataFrame(rows, columns=["class", "step", "share"])
    classes, title = [facts.names[k] for k in selected], f"Share of each {facts.words.noun}, line by line"
    return shares_by_step(table, steps=steps, classes=classes, title=title, description=description)


def prior_seen(decision: Decision, lines: Sequence[prior_ledger.Line]) -> NDArray[np.float64] | None:
    """Compute the prior after some lines of the ledger, (c,); None if one of them is unknown."""
    return prior_ledger.seen(decision.natural, lines, task=decision.task)


def _selected(facts: Facts) -> list[int]:
    """Select the classes to show: all if there are few; else the one that matters, the rarest, the most frequent."""
    count = len(facts.names)
    if count <= SELECTED:
        return list(range(count))
    ranks = sorted(range(count), key=lambda k: -facts.classes.counts[k])
    first = [facts.positive, ranks[0], ranks[-1], ranks[1], ranks[-2], ranks[2]]
    return sorted(list(dict.fromkeys(first))[:SELECTED])


def _shares(facts: Facts) -> list[Sequence[float] | None]:
    """Compute the share of each class after each line; None from the first unknown line on."""
    decision = facts.decision
    after = [prior_seen(decision, decision.ledger[:n]) for n in range(len(decision.ledger) + 1)]
    return [*(None if share is None else share.tolist() for share in after), decision.val, decision.target]


def _lines(facts: Facts, selected: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    """Write the ledger: one row for each line, one column for each class."""
    decision = facts.decision
    unknown = ["unknown"] * len(facts.names)

    def share(values: Sequence[float]) -> list[str]:
        return [write_value(value, 4) for value in values]

    written: list[tuple[str, list[str]]] = [("in the labels", share(decision.natural))]
    for line in decision.ledger:
        factors = unknown if line.factors is None else [write_value(factor, 3) for factor in line.factors]
        written.append((f"× {line.piece} = {line.remedy}", factors))
    written += [
        ("= seen by the model", unknown if decision.seen is None else share(decision.seen)),
        ("validation", share(decision.val)),
        ("step 1: offset from seen to validation, in nats", [_signed(value) for value in decision.val_offset]),
        ("target", share(decision.target)),
        *_ends(facts),
        ("step 2: offset from validation to target, in nats", [_signed(value) for value in decision.target_offset]),
    ]
    return tuple((name, *(cells[k] for k in selected)) for name, cells in written)


def _ends(facts: Facts) -> list[tuple[str, list[str]]]:
    estimate = facts.decision.estimated
    if estimate is None:
        return []
    ends = zip(estimate.low, estimate.high, strict=True)
    return [("target, 95 % interval", [f"{write_value(low, 3)} to {write_value(high, 3)}" for low, high in ends])]


def _changing(facts: Facts) -> list[str]:
    """List the remedies that changed the prior, or may have."""
    return [
        f"{line.piece} = {line.remedy}"
        for line in facts.decision.ledger
        if line.factors is None or facts.task.moves_prior(line.factors)
    ]


def _text(facts: Facts) -> tuple[str, ...]:
    decision = facts.decision
    unknown = [f"{line.piece} = {line.remedy}" for line in decision.ledger if line.factors is None]
    changing = [name for name in _changing(facts) if name not in unknown]
    what = facts.words.prior
    offsets = [np.abs(values).max() for values in (decision.val_offset, decision.target_offset)]
    if not changing and not unknown and max(offsets) < NO_OFFSET:
        text = f"Nothing changed {what} in training by more than 5 %, so no correction was needed."
        return (text, *_estimated(facts))
    nothing = "Nothing with a known effect" if unknown else "Nothing"
    text = f"{listed(changing) or nothing} changed {what} by more than 5 %."
    if unknown:
        text += (
            f" The effect of {listed(unknown)} cannot be calculated, so “{decision.calibrator}” learned the prior of "
            "validation."
        )
    elif decision.calibrator in calibrators.WITH_BIAS:
        text += f" “{decision.calibrator}” learned the prior of validation, so step 1 adds nothing."
    paragraphs = (text, *_estimated(facts))
    if max(offsets) < NO_OFFSET:
        return *paragraphs, "The offsets on the logits are close to zero."
    own = [_signed(values[facts.positive], 2) for values in (decision.val_offset, decision.target_offset)]
    first = f"{own[0]} nats from the share seen to that of validation, " if any(decision.val_offset) else ""
    return *paragraphs, (
        f"Offsets on the logit of {quote(facts.positive_name)}: {first}{own[1]} nats from validation to deployment. "
        f"The largest offset of any {facts.words.noun} in one step is {write_value(max(offsets))} nats."
    )


def _estimated(facts: Facts) -> tuple[str, ...]:
    """Explain how the target was estimated; empty for a natural or a stated one."""
    decision, k = facts.decision, facts.positive
    estimate = decision.estimated
    if estimate is None:
        return ()
    low, share, high = (write_value(values[k], 3) for values in (estimate.low, decision.target, estimate.high))
    return (
        f"The target prior was estimated from {counted(estimate.images, 'unlabelled image')} of deployment: "
        f"{quote(facts.positive_name)} {share}, 95 % interval {low} to {high}. This assumes that images of a "
        f"{facts.words.noun} look the same there as in validation. Their scores do not contradict this "
        f"(p = {write_value(estimate.p_value, 2)}). {estimate.unnoticed}",
    )


def _signed(value: float, digits: int = 3) -> str:
    written = write_value(value, digits)
    return f"+{written}" if value > 0 and float(written) else written
