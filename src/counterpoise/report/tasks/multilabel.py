"""The report for multilabel: an image has any number of labels, and each label has its own threshold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from counterpoise.report.facts import Facts, counted, quote
from counterpoise.report.parts import Part
from counterpoise.report.sections import co_occurrence, decision_rates
from counterpoise.report.sections.calibration import calibration
from counterpoise.report.sections.class_counts import class_counts
from counterpoise.report.sections.confusion import label_errors
from counterpoise.report.sections.per_class import per_class
from counterpoise.report.sections.precision_recall import precision_recall
from counterpoise.report.sections.prevalence import at_prevalences, expected_and_measured
from counterpoise.report.sections.prior_ledger import MATERIAL, ledger
from counterpoise.report.sections.thresholds import thresholds
from counterpoise.report.sections.training import training
from counterpoise.report.sections.variants import variants
from counterpoise.report.summary import HeadlineFigure, headline_figure
from counterpoise.report.texts import write_count, write_prevalence, write_value
from counterpoise.report.units import grouped_share
from counterpoise.report.warnings import Finding
from counterpoise.report.words import Words

TOO_MANY = 1.2
"""Raw outputs decide too many labels if they decide more than this many times the labels present."""
WORDS = Words(
    noun="label",
    nouns="labels",
    has_share="is on",
    shares_remark="An image can have several labels, so the shares can add up to more than 100 %.",
    observed="labels that are present",
    calibration_unit="pairs",
    calibration_scope="The chart shows all pairs of image and label.",
    prior="the odds of a label",
    prior_factor="odds",
    raw_rule="a threshold of 0.5 for {name}",
    mistake_kinds=("found", "missed", "false alarm"),
    wrong="wrongly decided label",
    mistakes_note="Each label has its own threshold.",
)
JUDGED_BY = "macro_f1"


def parts(facts: Facts) -> list[Part]:
    """Make the parts of the report: the outcome, its quality, and how the model was made."""
    return [
        at_prevalences(facts),
        per_class(facts),
        precision_recall(facts),
        calibration(facts),
        label_errors(facts),
        thresholds(facts),
        variants(facts),
        *((decision_rates.decision_rates(facts),) if decision_rates.raised(facts) else ()),
        *expected_and_measured(facts),
        class_counts(facts),
        *((co_occurrence.co_occurrence(facts),) if co_occurrence.resampled(facts) else ()),
        training(facts),
        ledger(facts),
    ]


def problem(facts: Facts) -> str:
    """Say how many images and labels there are."""
    images = facts.classes.images
    each = sum(facts.classes.counts) / images
    return f"{counted(images, 'image')} and {facts.label_count}; an image has {each:.1f} labels on average."


def headline_figures(facts: Facts) -> tuple[HeadlineFigure, ...]:
    """Choose a figure of the ranking, two of labels, and one of whole images."""
    figures = facts.metrics.figures
    present, no_skill = figures.get("classes_present", 0), figures.get("no_skill_mean_average_precision")
    tp, fn = (sum(getattr(count, cell) for count in facts.counts) for cell in ("tp", "fn"))
    exact = int((~facts.mistaken).sum())
    raw = facts.score("raw", "macro_f1")
    return (
        headline_figure(
            facts,
            "mean_average_precision",
            "Mean average precision",
            f"{present:.0f} labels present{facts.rough_classes}; no skill {write_value(no_skill, 3)}",
            no_skill,
        ),
        headline_figure(facts, "macro_f1", "Macro F1", f"all labels weigh the same; raw {write_value(raw)}"),
        headline_figure(facts, "micro_f1", "Micro F1", f"{write_count(tp)} of {counted(tp + fn, 'label')} found"),
        headline_figure(
            facts, "exact_match", "Exact match", f"{write_count(exact)} of {facts.test_images} with no error"
        ),
    )


def findings(facts: Facts) -> Iterator[Finding]:
    """Warn if a threshold of 0.5 on raw outputs decides too many labels because a remedy raised their odds."""
    if not decision_rates.raised(facts):
        return
    counts, present = decision_rates.decided_counts(facts), int(facts.targets.sum())
    raw = int(counts[decision_rates.RAW].sum())
    if raw > TOO_MANY * present:
        why = "The effect of a remedy on the odds cannot be calculated."
        if decision_rates.MOVED in counts:
            why = "Remedies raised the odds of labels. Thresholds that undo this decide "
            why += f"{counts[decision_rates.MOVED].sum()} labels."
        yield Finding(
            f"A threshold of 0.5 on raw outputs decides {raw} labels, but test has {present}.",
            f"{why} After calibration, rule “{facts.decision.rule}” decides {counts[decision_rates.DECIDED].sum()}.",
        )


def unattainable(facts: Facts) -> list[str]:
    """Name the labels without a threshold."""
    decision = facts.decision
    return [name for name, limit in zip(decision.classes, decision.thresholds, strict=True) if limit is None]


def decides_by_threshold(facts: Facts) -> bool:
    """Say whether the threshold alone decides. It does not if images get a minimum number of labels."""
    return len(facts.names) == 2 or not facts.decision.at_least


def moves_prior(factors: Sequence[float]) -> bool:
    """Say whether the odds of any label change."""
    return max(max(factors), 1 / min(factors)) > MATERIAL


def calibrated_sentence(facts: Facts, predicted: float, observed: float) -> str:
    """Compare the mean probability of a label with how often it is present."""
    ends = grouped_share(facts.targets.ravel(), np.repeat(facts.units, facts.targets.shape[1]))
    return (
        f"After calibration, a label has an average probability of {write_prevalence(predicted)}, and it is present in "
        f"{write_prevalence(observed)} of the cases (95 % interval {' to '.join(map(write_prevalence, ends))})."
    )


def variants_caption(facts: Facts) -> str:
    """Explain the three scores: raw, calibrated and re-decided."""
    return (
        f"Raw: sigmoid of the logits, threshold 0.5. Calibrated: probabilities corrected by "
        f"“{facts.decision.calibrator}” and for the target prior, threshold 0.5. Re-decided: the same probabilities, "
        f"decided by rule “{facts.decision.rule}”. Average precision and ROC AUC: {quote(facts.positive_name)} only. "
        "Coverage: how many labels you have to read, the most probable first, to see all true labels of an image. "
        "Lines: 95 % intervals."
    )
