"""What a reader of the report must be warned of, found by rules on the facts of one run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from counterpoise.report.charts.texts import write_prevalence
from counterpoise.report.facts import Facts, counted, listed, quote
from counterpoise.report.sections.prevalence import find_shift

if TYPE_CHECKING:
    import pandas as pd

FEW_IMAGES = 10
"""A rate of fewer images is hardly known."""
LARGE_CLUSTER = 10
"""So many images that may not be separated are either a series or a false alarm of the search for duplicates."""
REST_OF_RATE = 0.01
"""Epochs which together hold less than this share of all learning rate change next to nothing."""
STILL = 0.01
"""A loss that moves by less than this share stands still."""
EXPLANATIONS = 2
"""The first notes of `metrics.json` explain its figures; those that follow are warnings."""


@dataclass(frozen=True)
class Finding:
    """One warning: the fact, in one sentence, and what follows from it."""

    headline: str
    detail: str


def find(facts: Facts) -> list[Finding]:
    """Collect every warning, what makes figures meaningless first."""
    rules = (
        _prevalence,
        _absent,
        _few_images,
        _too_wide,
        _of_task,
        _never_decided,
        _unattainable,
        _pooled,
        _training,
        _unknown_prior,
        _notes,
        _left_out,
        _clusters,
        _other_baseline,
    )
    return [finding for rule in rules for finding in rule(facts)]


def idle_from(rates: list[float]) -> int | None:
    """Find where training had all but ended, since the learning rate had vanished.

    Args:
        rates: Learning rate of each epoch.

    Returns:
        The number of epochs that did the work, if all later ones, half of all or more, together hold less than 1 % of
        the learning rate; else None, as of fewer than three epochs.

    Example:
        >>> idle_from([1e-4, 1e-5, 1e-6, 1e-7, 1e-8]), idle_from([1.0, 0.8, 0.5, 0.2, 0.0])
        (2, None)
    """
    known = np.nan_to_num(np.asarray(rates, dtype=float), posinf=0.0)
    if len(known) < 3 or known.sum() <= 0:
        return None
    rest = 1 - np.cumsum(known) / known.sum()
    working = int(np.argmax(rest <= REST_OF_RATE + 1e-9)) + 1
    return working if len(known) - working >= len(known) / 2 else None


def stands_still(losses: list[float]) -> bool:
    """Say whether the training loss moved by less than 1 % after the first epoch.

    Example:
        >>> stands_still([0.9, 0.501, 0.5, 0.5]), stands_still([0.9, 0.5, 0.4, 0.3])
        (True, False)
    """
    later = np.asarray(losses[1:], dtype=float)
    if len(later) < 2 or not np.isfinite(later).all():
        return False
    return bool(np.ptp(later) < STILL * abs(later[0]))


def _prevalence(facts: Facts) -> Iterator[Finding]:
    shift, name = find_shift(facts), quote(facts.positive_name)
    if shift is not None and shift.moved and shift.test.predicted:
        shares = [write_prevalence(counts.prevalence) for counts in (shift.val, shift.test)]
        yield Finding(
            f"{name} is {shares[0]} of validation, but {shares[1]} of test.",
            f"Precision changes with the share, recall does not. Validation promised a precision of "
            f"{shift.expected.text} for test; it shows {shift.shown.text}.",
        )


def _absent(facts: Facts) -> Iterator[Finding]:
    absent = [quote(name) for name, count in zip(facts.names, facts.counts, strict=True) if not count.positives]
    if absent:
        number = facts.count_classes(len(absent), " is", " are")
        yield Finding(
            f"{number} absent from test.",
            f"Nothing is known of {listed(absent)}; means over {facts.words.nouns} leave them out.",
        )


def _few_images(facts: Facts) -> Iterator[Finding]:
    for split, count, consequence in (
        ("test", facts.split_counts["test"], "Their figures are hardly known: read the intervals, not the values."),
        ("validation", np.array(facts.decision.val_images), "Calibration and decisions for them rest on little."),
    ):
        least = int(split == "test")  # of those that are absent from test another rule speaks
        few = [index for index in np.argsort(count, kind="stable") if least <= count[index] < FEW_IMAGES]
        if few:
            names = listed([f"{quote(facts.names[index])} ({count[index]})" for index in few])
            number = facts.count_classes(len(few), " has", " have")
            yield Finding(f"{number} fewer than {FEW_IMAGES} {split} images.", f"{names}. {consequence}")


def _too_wide(facts: Facts) -> Iterator[Finding]:
    table = facts.tables["classes"]
    ranked = table[table["measure"] == "average_precision"]
    unclear = ranked[(ranked["low"] <= ranked["no_skill"]) & (ranked["no_skill"] <= ranked["high"])]
    if len(unclear):
        yield Finding(
            f"{facts.count_classes(len(unclear))} may be told apart no better than by guessing.",
            f"{listed([quote(name) for name in unclear['class']])}: the interval of average precision holds the value "
            "of guessing. More test images would narrow it.",
        )


def _of_task(facts: Facts) -> Iterator[Finding]:
    yield from facts.task.findings(facts)


def _never_decided(facts: Facts) -> Iterator[Finding]:
    out_of_reach = facts.task.unattainable(facts)
    missed = [
        quote(name)
        for name, count in zip(facts.names, facts.counts, strict=True)
        if count.positives and not count.predicted and name not in out_of_reach
    ]
    if missed:
        advice = "" if facts.decision.rule == "balanced" else "; rule “balanced” gives rare classes more weight"
        yield Finding(
            f"{facts.count_classes(len(missed), ' is', ' are')} present in test, but never decided.",
            f"{listed(missed)}: rule “{facts.decision.rule}” does not choose them{advice}.",
        )


def _unattainable(facts: Facts) -> Iterator[Finding]:
    never = [quote(name) for name in facts.task.unattainable(facts)]
    if never:
        yield Finding(
            f"The precision asked for is unattainable for {facts.count_classes(len(never))}.",
            f"{listed(never)}: no threshold keeps it with confidence on validation, so that none is decided. Lower "
            "decide.floor, or label more images.",
        )


def _pooled(facts: Facts) -> Iterator[Finding]:
    if facts.decision.pooled:
        yield Finding(
            f"{counted(len(facts.decision.pooled), 'label shares', 'labels share')} one calibration.",
            f"{listed([quote(name) for name in facts.decision.pooled])}: validation holds too few of their images for "
            "one of their own (decide.min_positives).",
        )


def _training(facts: Facts) -> Iterator[Finding]:
    curves = facts.curves
    epochs = len(curves)
    if "learning_rate" in curves and (working := idle_from(curves["learning_rate"].tolist())) is not None:
        yield Finding(
            f"The learning rate vanished after epoch {working} of {epochs}.",
            f"All later epochs together hold less than {100 * REST_OF_RATE:g} % of the learning rate, so they trained "
            "next to nothing. Lower the rate less often, or train for fewer epochs.",
        )
    if "train/loss" in curves and stands_still(curves["train/loss"].tolist()):
        yield Finding(
            f"The training loss stood still: from epoch 2 to {epochs} it moved by less than {100 * STILL:g} %.",
            "The model may have stopped learning: look at the learning rate and its schedule.",
        )
    if facts.best_epoch is not None and facts.best_epoch == epochs > 1 and _improves(curves):
        yield Finding(
            f"The best epoch is the last one ({epochs}).",
            "Validation was still improving when training ended: more epochs may give a better model.",
        )


def _improves(curves: pd.DataFrame) -> bool:
    """Say whether any monitored figure was never as good as at last."""
    monitored = [
        curves[name] * (-1 if name == "val/loss" else 1) for name in map(str, curves) if name.startswith("val/")
    ]
    return any(bool(figure.iloc[-1] > figure.iloc[:-1].max()) for figure in monitored)


def _unknown_prior(facts: Facts) -> Iterator[Finding]:
    unknown = [f"{line.piece} = {line.remedy}" for line in facts.decision.ledger if line.factors is None]
    if unknown:
        yield Finding(
            f"What {listed(unknown)} did to the class prior has no closed form.",
            f"The calibrator “{facts.decision.calibrator}” learns the prior from validation instead.",
        )


def _notes(facts: Facts) -> Iterator[Finding]:
    for note in facts.metrics.notes[EXPLANATIONS:]:
        if not _is_technical(note):
            headline, colon, detail = _sentence(note).partition(": ")
            yield Finding(headline + colon.rstrip(), detail)


def _left_out(facts: Facts) -> Iterator[Finding]:
    unusable = int((facts.rejected["kind"] == "rejected").sum())
    if unusable:
        reasons = facts.rejected.loc[facts.rejected["kind"] == "rejected", "reason"].value_counts()
        yield Finding(
            f"{counted(unusable, 'row')} of the raw labels could not be used.",
            f"Most often: {reasons.index[0]} ({reasons.iloc[0]}). data/rejected.csv lists every row.",
        )
    unused = facts.split_totals["unused"]
    if unused:
        yield Finding(
            f"{counted(unused, 'image is', 'images are')} in no split.",
            "Near duplicates of them are in another split, or balancing left them over.",
        )


def _clusters(facts: Facts) -> Iterator[Finding]:
    sizes = facts.clusters["unit"].value_counts()
    large = sizes[sizes >= LARGE_CLUSTER]
    if len(large):
        yield Finding(
            f"{counted(len(large), 'set')} of {LARGE_CLUSTER} or more images may not be separated; the largest has "
            f"{large.iloc[0]}: {quote(str(large.index[0]))}.",
            "Each counts as one when intervals are computed. If they are neither a group nor duplicates, raise "
            "split.duplicates.min_correlation.",
        )


def _other_baseline(facts: Facts) -> Iterator[Finding]:
    if facts.other_baseline is not None:
        yield Finding(
            "When this page was written, the last commit had figures of other test images.",
            f"{_sentence(facts.other_baseline)} So “dvc metrics diff” does not show what a remedy changed. Commit this "
            "run as the baseline first.",
        )


def explanations(facts: Facts) -> tuple[str, ...]:
    """Return the notes that explain the headline figures, as sentences; what only a statistician asks stands last."""
    notes = facts.metrics.notes
    return tuple(map(_sentence, [*notes[:EXPLANATIONS], *filter(_is_technical, notes[EXPLANATIONS:])]))


def _is_technical(note: str) -> bool:
    """Say whether a note is of resamples, or of absent classes, of which `_absent` warns."""
    return "resamples" in note or note.startswith("classes without a test image")


def _sentence(note: str) -> str:
    return f"{note[:1].upper()}{note[1:]}."
