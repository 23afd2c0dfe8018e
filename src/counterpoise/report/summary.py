"""The top of the report page: what the problem is, how it ended, as a picture and in figures."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from counterpoise.report.charts.bars import gauge
from counterpoise.report.charts.dots import Group, dots
from counterpoise.report.charts.frame import PointEstimate
from counterpoise.report.charts.svg import finite
from counterpoise.report.charts.texts import write_count, write_prevalence, write_share, write_value
from counterpoise.report.facts import Counts, Facts, counted, quote
from counterpoise.report.parts import Table


@dataclass(frozen=True)
class HeadlineFigure:
    """A headline figure with its interval, and the counts and comparisons without which it says nothing."""

    label: str
    value: str
    interval: str
    counts: str
    gauge: Markup


@dataclass(frozen=True)
class FigureGroup:
    """Headline figures that are about the same thing."""

    heading: str
    figures: tuple[HeadlineFigure, ...]


def lede(facts: Facts) -> tuple[str, str]:
    """Say what the problem is, and how it ended, in a sentence each."""
    total, own, name = facts.classes.images, facts.classes.counts[facts.positive], quote(facts.positive_name)
    share = f"{write_prevalence(own / total)} of them: {counted(own, 'image')}, 1 in {total / own:.0f}."
    problem = f"{facts.task.problem(facts)} The one that matters, {name}, {facts.words.has_share} {share}"
    on = facts.test_counts
    if not on.positives:
        return problem, f"None of the {counted(on.total, 'test image')} shows it, so nothing is known of it."
    outcome = f"Among {counted(on.total, 'test image')}, {on.tp} of its {write_count(on.positives)} were found"
    if on.positives == 1:
        outcome = f"The only one among {counted(on.total, 'test image')} was {'found' if on.tp else 'missed'}"
    if not on.predicted:
        return problem, f"{outcome}: it was never decided."
    return problem, (
        f"{outcome}, and {counted(on.fp, 'other')} called so too: {write_share(on.precision)} of such calls are right, "
        f"where guessing gets {write_prevalence(on.prevalence)}."
    )


def dot_groups(counts: Counts, scale: float = 1.0) -> list[Group]:
    """Say which images are missed, found, wrongly called so, and none of these; `scale` multiplies their numbers."""
    return [
        Group("missed", scale * counts.fn, "missed"),
        Group("found", scale * counts.tp, "found"),
        Group("wrongly called so", scale * counts.fp, "alarm"),
        Group("others", scale * counts.tn, "rest"),
    ]


def picture(facts: Facts) -> Markup:
    """Draw every test image as a dot: what was found, missed and wrongly called so of the class that matters."""
    on, name = facts.test_counts, quote(facts.positive_name)
    alt = (
        f"Of {counted(on.total, 'test image')}, {on.positives} are {name}: {on.tp} found, {on.fn} missed; "
        f"{on.fp} others are wrongly called so."
    )
    return Markup(dots(dot_groups(on), title=f"{name} among the test images", alt=alt, noun="test image"))


def settings(facts: Facts) -> tuple[tuple[str, str], ...]:
    """List what the run was made with, as the ledger and the model say it."""
    backbone = f"{facts.card.backbone}{', frozen' if facts.card.frozen else ''}"
    return (
        ("Loss", facts.card.loss),
        ("Class weights", facts.remedy("weighting.scheme")),
        ("Oversampling", facts.remedy("oversample.strategy")),
        ("Backbone", backbone),
        ("Calibrator", facts.decision.calibrator),
        ("Decision rule", facts.decision.rule),
    )


def headline(facts: Facts) -> tuple[FigureGroup, ...]:
    """Make the headline figures: of the class that matters, and of all."""
    on = facts.test_counts
    no_skill = write_value(on.prevalence, 3)
    own = (
        headline_figure(facts, "recall", "Recall", f"{on.tp} of {counted(on.positives, 'image')} found"),
        headline_figure(
            facts,
            "precision",
            "Precision",
            f"{on.tp} of {counted(on.predicted, 'decision')} right; no skill {no_skill}",
            on.prevalence,
        ),
        headline_figure(
            facts,
            "average_precision",
            "Average precision",
            f"ranking of its images; no skill {no_skill}",
            on.prevalence,
        ),
    )
    return (
        FigureGroup(f"The class that matters: {quote(facts.positive_name)}", own),
        FigureGroup(f"All {facts.label_count}", facts.task.headline_figures(facts)),
    )


def headline_figure(facts: Facts, key: str, label: str, counts: str, no_skill: float | None = None) -> HeadlineFigure:
    """Look up a figure of `metrics.json`, and draw it.

    Args:
        facts: The run.
        key: Its name there.
        label: Its name on the page.
        counts: What it is a share of, and what to compare it with.
        no_skill: The value of guessing; None for no tick.
    """
    value, span = facts.metrics.figures.get(key), facts.metrics.intervals.get(key)
    low, high = span or (None, None)
    interval = f"[{write_value(low)}, {write_value(high)}]" if span else "no interval"
    drawing = gauge(PointEstimate(value, low, high), title=label, reference=finite(no_skill))
    return HeadlineFigure(label, write_value(value), interval, counts, Markup(drawing))


def figures(facts: Facts) -> Table:
    """List every figure of `metrics.json` as it stands there."""
    rows = tuple(
        (
            name.replace("_", " "),
            f"{value:.4g}" if isinstance(value, float) else str(value),
            " to ".join(f"{end:.4g}" for end in facts.metrics.intervals.get(name, ())),
        )
        for name, value in facts.metrics.figures.items()
    )
    return Table("As in reports/metrics.json.", ("figure", "value", "95 % interval"), rows)
