"""The report for multiclass: each image has exactly one class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from counterpoise.report.facts import Facts, counted, quote
from counterpoise.report.parts import Part
from counterpoise.report.sections.calibration import calibration
from counterpoise.report.sections.class_counts import class_counts
from counterpoise.report.sections.confusion import confusion
from counterpoise.report.sections.per_class import per_class
from counterpoise.report.sections.precision_recall import precision_recall
from counterpoise.report.sections.prevalence import at_prevalences, expected_and_measured
from counterpoise.report.sections.prior_ledger import MATERIAL, ledger
from counterpoise.report.sections.training import training
from counterpoise.report.sections.variants import variants
from counterpoise.report.summary import HeadlineFigure, headline_figure
from counterpoise.report.texts import write_share, write_value
from counterpoise.report.warnings import Finding
from counterpoise.report.words import Words

WORDS = Words(
    noun="class",
    nouns="classes",
    has_share="is",
    shares_remark="",
    observed="correct decisions",
    calibration_unit="images",
    calibration_scope="The chart shows the probability of the most probable class.",
    prior="the class prior",
    prior_factor="prior (up to a common scale)",
    raw_rule="the most probable class",
    mistake_kinds=("found", "actual", "decided"),
    wrong="decided class",
    mistakes_note="The decided class can have a probability below 0.5, or below that of the actual class, because the "
    "rule gives classes different weights.",
)
JUDGED_BY = "balanced_accuracy"


def parts(facts: Facts) -> list[Part]:
    """Make the parts of the report: the outcome, its quality, and how the model was made."""
    return [
        at_prevalences(facts),
        per_class(facts),
        precision_recall(facts),
        calibration(facts),
        confusion(facts),
        variants(facts),
        *expected_and_measured(facts),
        class_counts(facts),
        training(facts),
        ledger(facts),
    ]


def problem(facts: Facts) -> str:
    """Say how many images and classes there are."""
    return f"{counted(facts.classes.images, 'image')} in {facts.label_count}."


def headline_figures(facts: Facts) -> tuple[HeadlineFigure, ...]:
    """Choose balanced accuracy and calibration error."""
    present = max(sum(count.positives > 0 for count in facts.counts), 1)
    guess = write_value(1 / present, 2 if present <= 50 else 4)
    raw, error = (facts.score("raw", figure) for figure in ("balanced_accuracy", "expected_calibration_error"))
    return (
        headline_figure(
            facts,
            "balanced_accuracy",
            "Balanced accuracy",
            f"{counted(present, 'class', 'classes')}{facts.rough_classes}; no skill {guess}; raw {write_value(raw)}",
            1 / present,
        ),
        headline_figure(
            facts,
            "expected_calibration_error",
            "Expected calibration error",
            f"{facts.test_images}; lower is better; raw {write_value(error)}",
        ),
    )


def findings(facts: Facts) -> Iterator[Finding]:
    """Yield no warnings of its own."""
    yield from ()


def unattainable(facts: Facts) -> list[str]:
    """Name the classes that rule `precision_floor` never decides."""
    decision = facts.decision
    if decision.rule != "precision_floor":
        return []
    return [name for name, gains in zip(decision.classes, decision.gain, strict=True) if not any(gains)]


def decides_by_threshold(facts: Facts) -> bool:
    """Say whether there are two classes. With more, the decision compares all of them."""
    return len(facts.names) == 2


def moves_prior(factors: Sequence[float]) -> bool:
    """Say whether the factors differ. A common factor does not change the prior."""
    return max(factors) > MATERIAL * min(factors)


def calibrated_sentence(facts: Facts, predicted: float, observed: float) -> str:
    """Compare the mean probability of the most probable class with how often it is right."""
    ends = facts.estimate("calibrated", "accuracy").interval
    sure = f" (95 % interval {write_share(ends[0])} to {write_share(ends[1])})" if ends else ""
    return (
        f"After calibration, the most probable class has an average probability of {write_share(predicted)}, and it is "
        f"right for {write_share(observed)} of the images{sure}."
    )


def variants_caption(facts: Facts) -> str:
    """Explain the three scores: raw, calibrated and re-decided."""
    return (
        f"Raw: softmax of the logits, most probable class. Calibrated: probabilities corrected by "
        f"“{facts.decision.calibrator}” and for the target prior, most probable class. Re-decided: the same "
        f"probabilities, decided by rule “{facts.decision.rule}”. Average precision and ROC AUC: "
        f"{quote(facts.positive_name)} against all others. Lines: 95 % intervals."
    )
