"""Warnings for readers of the report: rules that check the facts of one run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from counterpoise.report.facts import Facts, counted, listed, quote
from counterpoise.report.sections.prevalence import find_shift
from counterpoise.report.sections.training import is_path
from counterpoise.report.sections.variants import write_difference
from counterpoise.report.texts import capitalized, figure_name, write_prevalence
from counterpoise.report.units import FEW, LEAST, ROUGH

if TYPE_CHECKING:
    import pandas as pd

LARGE_CLUSTER = 10
"""So many duplicates of one image are either a series or a false alarm of the search for duplicates."""
REST_OF_RATE = 0.01
"""Epochs that together have less than this share of the summed learning rate hardly change the model."""
STILL = 0.01
"""A loss that changes by less than this share has stopped improving."""
LACKS = {" has no interval: ": "have no interval", " is undefined: ": "are undefined"}
"""Words between a figure of `metrics.json` and the reason in a note -> the same words for several figures."""
EXPLANATIONS = 2
"""The number of notes of `metrics.json` that explain its figures; the notes after them are warnings."""


@dataclass(frozen=True)
class Finding:
    """One warning: a fact in one sentence, and its consequence or remedy."""

    headline: str
    detail: str


def find(facts: Facts) -> list[Finding]:
    """Collect all warnings, the most serious first."""
    rules = (
        _leaks,
        _prevalence,
        _recall,
        _absent,
        _few_units,
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
    of_images = () if facts.boxes is None else (_prevalence, _recall, _too_wide, _never_decided, _unattainable, _pooled)
    return [finding for rule in rules if rule not in of_images for finding in rule(facts)]


def idle_from(rates: list[float]) -> int | None:
    """Find the epoch after which the learning rate was almost zero.

    Args:
        rates: The learning rate of each epoch.

    Returns:
        The number of epochs up to there, if the later ones are at least half of all epochs and together have less than
        1 % of the summed learning rate. Otherwise, and for fewer than three epochs, None.

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
    """Say whether the training loss changed by less than 1 % after the first epoch.

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
            "Precision changes with the share, recall does not."
            + (
                f" Precision expected from validation: {shift.expected.text}; measured on test: {shift.shown.text}."
                if shift.units >= ROUGH
                else ""
            ),
        )


def _recall(facts: Facts) -> Iterator[Finding]:
    shift, name = find_shift(facts), quote(facts.positive_name)
    if shift is not None and shift.recall_differs:
        found = [f"{counts.tp} of {counts.positives}" for counts in (shift.val, shift.test)]
        higher = shift.recall_gain.value > 0
        yield Finding(
            f"The same decisions find {found[0]} images of {name} on validation, but {found[1]} on test.",
            f"Recall differs by {write_difference(shift.recall_gain)}, so test images may differ from validation "
            "images; by chance alone, this appears in 1 of 20 runs. On new images, expect "
            f"{'less than test shows' if higher else 'a recall between the two'}. Another value of seed shows how much "
            "depends on the split.",
        )


def _absent(facts: Facts) -> Iterator[Finding]:
    absent = [quote(name) for name, count in zip(facts.names, facts.counts, strict=True) if not count.positives]
    if absent:
        number = facts.count_classes(len(absent), " is", " are")
        yield Finding(
            f"{number} absent from test.",
            f"There are no figures for {listed(absent)}. Means over {facts.words.nouns} leave out what is absent.",
        )


def _few_units(facts: Facts) -> Iterator[Finding]:
    for split, supports, consequence in (
        (
            "test",
            facts.supports,
            "These are too few for reliable figures: read the intervals, not the values. Fewer than "
            f"{LEAST} units give no interval, and figures of fewer than {ROUGH} are not compared.",
        ),
        ("validation", facts.val_supports, "These are too few for a reliable calibration and decision."),
    ):
        least = int(split == "test")  # `_absent` warns about classes without a test image
        order = sorted(range(len(supports)), key=lambda index: supports[index].units)
        few = [index for index in order if supports[index].few and supports[index].images >= least]
        if few:
            names = listed([f"{quote(facts.names[index])} ({supports[index].text})" for index in few])
            number = facts.count_classes(len(few), " has", " have")
            yield Finding(f"{number} fewer than {FEW} units in {split}.", f"{names}. {consequence}")


def _too_wide(facts: Facts) -> Iterator[Finding]:
    table = facts.tables["classes"]
    ranked = table[(table["measure"] == "average_precision") & (table["units"] >= ROUGH)]
    unclear = ranked[(ranked["low"] <= ranked["no_skill"]) & (ranked["no_skill"] <= ranked["high"])]
    if len(unclear):
        yield Finding(
            f"The ranking of {facts.count_classes(len(unclear))} may have no skill.",
            f"{listed([quote(name) for name in unclear['class']])}: the interval of average precision contains the "
            "value of no skill. Test images of more units would narrow the interval.",
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
        advice = "" if facts.decision.rule == "balanced" else " Rule “balanced” gives rare classes more weight."
        yield Finding(
            f"{facts.count_classes(len(missed), ' is', ' are')} present in test, but never decided.",
            f"Rule “{facts.decision.rule}” never chooses {listed(missed)}.{advice}",
        )


def _unattainable(facts: Facts) -> Iterator[Finding]:
    never = [quote(name) for name in facts.task.unattainable(facts)]
    if never:
        yield Finding(
            f"The requested precision is unattainable for {facts.count_classes(len(never))}.",
            f"{listed(never)}: on validation, no threshold reaches it with confidence, so the model never decides for "
            "them. Lower decide.floor, or label more images.",
        )


def _pooled(facts: Facts) -> Iterator[Finding]:
    if facts.decision.pooled:
        yield Finding(
            f"{counted(len(facts.decision.pooled), 'label shares', 'labels share')} one calibration.",
            f"{listed([quote(name) for name in facts.decision.pooled])}: validation has too few of their images for "
            "separate calibrations (decide.min_positives).",
        )


def _training(facts: Facts) -> Iterator[Finding]:
    curves = facts.curves
    if is_path(facts):
        return
    epochs = len(curves)
    if "learning_rate" in curves and (working := idle_from(curves["learning_rate"].tolist())) is not None:
        yield Finding(
            f"The learning rate vanished after epoch {working} of {epochs}.",
            f"All later epochs together have less than {100 * REST_OF_RATE:g} % of the summed learning rate, so they "
            "hardly changed the model. Lower the rate less often, or train for fewer epochs.",
        )
    if "train/loss" in curves and stands_still(curves["train/loss"].tolist()):
        yield Finding(
            f"The training loss hardly changed: from epoch 2 to {epochs} by less than {100 * STILL:g} %.",
            "The model may have stopped learning. Check the learning rate and its schedule.",
        )
    if facts.best_epoch is not None and facts.best_epoch == epochs > 1 and _improves(curves):
        yield Finding(
            f"The best epoch is the last one ({epochs}).",
            "A figure of validation was highest, or the loss lowest, in it. More epochs may give a better model.",
        )


def _improves(curves: pd.DataFrame) -> bool:
    """Say whether any validation figure was best in the last epoch."""
    monitored = [
        curves[name] * (-1 if name == "val/loss" else 1) for name in map(str, curves) if name.startswith("val/")
    ]
    return any(bool(figure.iloc[-1] > figure.iloc[:-1].max()) for figure in monitored)


def _unknown_prior(facts: Facts) -> Iterator[Finding]:
    unknown = [f"{line.piece} = {line.remedy}" for line in facts.decision.ledger if line.factors is None]
    if unknown:
        yield Finding(
            f"The effect of {listed(unknown)} on the class prior cannot be calculated.",
            f"Instead, the calibrator “{facts.decision.calibrator}” has learned the prior of validation.",
        )


def _notes(facts: Facts) -> Iterator[Finding]:
    missing: dict[tuple[str, str], list[str]] = {}
    for note in facts.metrics.notes[EXPLANATIONS:]:
        lack = next((lack for lack in LACKS if lack in note), None)
        if lack:
            name, reason = note.split(lack, 1)
            missing.setdefault((lack, reason), []).append(figure_name(name))
        elif not _is_about_absent(note):
            headline, colon, detail = _sentence(note, facts).partition(": ")
            yield Finding(headline + colon.rstrip(), detail)
    for (lack, reason), names in missing.items():
        verb = lack.strip(" :") if len(names) == 1 else LACKS[lack]
        yield Finding(f"{capitalized(listed(names))} {verb}.", f"{capitalized(reason)}.")


def _left_out(facts: Facts) -> Iterator[Finding]:
    unusable = int((facts.rejected["kind"] == "rejected").sum())
    if unusable:
        reasons = facts.rejected.loc[facts.rejected["kind"] == "rejected", "reason"].value_counts()
        yield Finding(
            f"{counted(unusable, 'row')} of the raw labels could not be used.",
            f"The most frequent reason: {reasons.index[0]} ({reasons.iloc[0]}). data/rejected.csv lists every row.",
        )
    unused = facts.split_totals["unused"]
    if unused:
        balanced = all(len(set(facts.split_counts[split].tolist())) == 1 for split in ("train", "val"))
        yield Finding(
            f"{counted(unused, 'image is', 'images are')} in no split.",
            "Near duplicates of images in another split are left out"
            f"{', and so are images that split.balance does not need' if balanced else ''}. If they are few, nothing "
            "needs to be done.",
        )


def _clusters(facts: Facts) -> Iterator[Finding]:
    sizes = facts.clusters.loc[facts.clusters["kind"] != "single", "centre"].value_counts()
    large = sizes[sizes >= LARGE_CLUSTER]
    if len(large):
        yield Finding(
            f"{counted(len(large), 'image has', 'images have')} {LARGE_CLUSTER} or more duplicates; the most, "
            f"{large.iloc[0]}, has {quote(str(large.index[0]))}.",
            "Each set counts as one when intervals are computed. If they are different images, raise "
            "split.duplicates.min_correlation, for example to 0.995.",
        )


def _leaks(facts: Facts) -> Iterator[Finding]:
    """Warn of a split that came with the labels and puts what belongs together into several splits."""
    joined = facts.splits.merge(facts.clusters[["image_id", "unit"]], on="image_id", validate="one_to_one")
    used = joined[joined["split"] != "unused"]
    leaking = used[used.groupby("unit")["split"].transform("nunique") > 1]
    if len(leaking):
        test, val = (int((leaking["split"] == side).sum()) for side in ("test", "val"))
        yield Finding(
            f"The split leaks: {counted(test, 'test image')} and {counted(val, 'validation image')} share a group with "
            "images of another split, or are duplicates of them.",
            f"Figures of test may be too good. Your own split divides {counted(leaking['unit'].nunique(), 'unit')} of "
            "data/clusters.csv; give all images of a unit the same split.",
        )


def _other_baseline(facts: Facts) -> Iterator[Finding]:
    if facts.other_baseline is not None:
        yield Finding(
            "When this page was written, the last commit had figures of other test images.",
            f"{_sentence(facts.other_baseline, facts)} So “dvc metrics diff” does not show what a remedy changed. "
            "Commit this run as the baseline first.",
        )


def explanations(facts: Facts) -> tuple[str, ...]:
    """Return the notes that explain the figures, as sentences."""
    return tuple(_sentence(note, facts) for note in facts.metrics.notes[:EXPLANATIONS])


def _is_about_absent(note: str) -> bool:
    """Say whether a note is about absent classes, for which `_absent` has a warning."""
    return note.startswith("classes without a test image")


def _sentence(note: str, facts: Facts) -> str:
    """Write a note as a sentence, with the names of figures as in the table of all figures."""
    figures = {*facts.metrics.figures, *facts.tables["scores"]["figure"]}
    words = re.sub(
        r"(?<!')\b\w+\b(?!')", lambda match: figure_name(match[0]) if match[0] in figures else match[0], note
    )
    return f"{capitalized(words)}."
