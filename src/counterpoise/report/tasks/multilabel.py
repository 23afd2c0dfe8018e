"""The page of many labels per image: each label is a question of its own, with a threshold of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from counterpoise.report.charts.texts import write_count, write_prevalence, write_value
from counterpoise.report.facts import Facts, counted, quote
from counterpoise.report.parts import Part
from counterpoise.report.sections import co_occurrence, decision_rates
from counterpoise.report.sections.calibration import calibration
from counterpoise.report.sections.class_counts import class_counts
from counterpoise.report.sections.confusion import label_errors
from counterpoise.report.sections.per_class import per_class
from counterpoise.report.sections.precision_recall import precision_recall
from counterpoise.report.sections.prevalence import at_prevalences
from counterpoise.report.sections.prior_ledger import MATERIAL, ledger
from counterpoise.report.sections.thresholds import thresholds
from counterpoise.report.sections.training import training
from counterpoise.report.sections.variants import variants
from counterpoise.report.summary import HeadlineFigure, headline_figure
from counterpoise.report.warnings import Finding
from counterpoise.report.words import Words

TOO_MANY = 1.2
"""Labels decided on more than so many times the images that have them are too many."""
WORDS = Words(
    noun="label",
    nouns="labels",
    has_share="is on",
    shares_remark="An image bears several labels, so that shares add up to more than 100 %.",
    observed="labels that are there",
    calibration_unit="pairs",
    calibration_scope="Over all pairs of image and label.",
    prior="the odds of a label",
    prior_factor="odds",
    raw_rule="{name} from a probability of 0.5 on",
    mistake_kinds=("found", "missed", "wrong"),
    mistakes_note="A label is decided from its own threshold on.",
)
JUDGED_BY = "macro_f1"


def parts(facts: Facts) -> list[Part]:
    """Make the parts of the page: how it ended, what it is worth, and how it came about."""
    return [
        at_prevalences(facts),
        precision_recall(facts),
        calibration(facts),
        per_class(facts),
        label_errors(facts),
        thresholds(facts),
        *((decision_rates.decision_rates(facts),) if decision_rates.raised(facts) else ()),
        variants(facts),
        class_counts(facts),
        *((co_occurrence.co_occurrence(facts),) if co_occurrence.resampled(facts) else ()),
        training(facts),
        ledger(facts),
    ]


def problem(facts: Facts) -> str:
    """Say how many images there are, with how many labels."""
    images = facts.classes.images
    each = sum(facts.classes.counts) / images
    return f"{counted(images, 'image')} with {facts.label_count}, {each:.1f} on each on average."


def headline_figures(facts: Facts) -> tuple[HeadlineFigure, ...]:
    """Choose a figure of ranking, two of labels, and one of images."""
    figures, images = facts.metrics.figures, len(facts.targets)
    present, guess = figures.get("classes_present", 0), figures.get("no_skill_mean_average_precision")
    tp, fn = (sum(getattr(count, cell) for count in facts.counts) for cell in ("tp", "fn"))
    exact = int((~facts.mistaken).sum())
    raw = facts.score("raw", "macro_f1")
    return (
        headline_figure(
            facts,
            "mean_average_precision",
            "Mean average precision",
            f"{present:.0f} labels present; no skill {write_value(guess, 3)}",
            guess,
        ),
        headline_figure(facts, "macro_f1", "Macro F1", f"each label counts alike; raw {write_value(raw)}"),
        headline_figure(facts, "micro_f1", "Micro F1", f"{write_count(tp)} of {counted(tp + fn, 'label')} found"),
        headline_figure(
            facts, "exact_match", "Exact match", f"{write_count(exact)} of {counted(images, 'image')} wholly right"
        ),
    )


def findings(facts: Facts) -> Iterator[Finding]:
    """Warn of a threshold of 0.5 on raw outputs where a remedy raised them."""
    if not decision_rates.raised(facts):
        return
    counts, present = decision_rates.decided_counts(facts), int(facts.targets.sum())
    raw = int(counts[decision_rates.RAW].sum())
    if raw > TOO_MANY * present:
        why = "What a remedy did to the odds has no closed form."
        if decision_rates.MOVED in counts:
            why = "A remedy raised the odds of labels by w: moving the threshold to w / (1 + w) decides "
            why += f"{counts[decision_rates.MOVED].sum()}."
        yield Finding(
            f"A threshold of 0.5 on raw outputs decides {raw} labels, where test bears {present}.",
            f"{why} Calibrated and under rule “{facts.decision.rule}” it is {counts[decision_rates.DECIDED].sum()}.",
        )


def unattainable(facts: Facts) -> list[str]:
    """Name the labels without a threshold."""
    decision = facts.decision
    return [name for name, limit in zip(decision.classes, decision.thresholds, strict=True) if limit is None]


def decides_by_threshold(facts: Facts) -> bool:
    """Say whether a label is decided alone: not where an image gets a number of labels at least, and there are many."""
    return len(facts.names) == 2 or not facts.decision.at_least


def moves_prior(factors: Sequence[float]) -> bool:
    """Say whether the odds of any label change."""
    return max(max(factors), 1 / min(factors)) > MATERIAL


def calibrated_sentence(predicted: float, observed: float) -> str:
    """Compare the mean probability of a label with how often it is there."""
    return (
        f"Calibrated, a label is given {write_prevalence(predicted)} on average, and is there in "
        f"{write_prevalence(observed)} of the cases."
    )


def variants_caption(facts: Facts) -> str:
    """Explain the three variants of the predictions."""
    return (
        f"Raw: sigmoid of the logits, decided from 0.5 on. Calibrated: by “{facts.decision.calibrator}”, moved to the "
        "target prior, from 0.5 on. Re-decided: the same probabilities under the rule. Average precision and ROC: "
        f"{quote(facts.positive_name)} alone. Coverage: how many labels one must look through, the most probable "
        "first, to meet all that an image bears. Lines: 95 % intervals."
    )
