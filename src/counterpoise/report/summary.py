"""The top of the report page: what the problem is, how it ended, as a picture and in figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from counterpoise.report.charts.bars import gauge
from counterpoise.report.charts.dots import Group, dots
from counterpoise.report.charts.frame import Estimate
from counterpoise.report.charts.svg import finite
from counterpoise.report.charts.texts import write_count, write_prevalence, write_share, write_value
from counterpoise.report.facts import Counts, Facts, counted, quote
from counterpoise.report.layout import Table


@dataclass(frozen=True)
class Tile:
    """A headline figure with its interval, and the counts and comparisons without which it says nothing."""

    label: str
    value: str
    interval: str
    counts: str
    gauge: Markup


@dataclass(frozen=True)
class Tiles:
    """Headline figures that are about the same thing."""

    heading: str
    tiles: tuple[Tile, ...]


def lede(facts: Facts) -> tuple[str, str]:
    """Say what the problem is, and how it ended, in a sentence each."""
    total, own, name = facts.classes.images, facts.classes.counts[facts.positive], quote(facts.positive_name)
    share = f"{write_prevalence(own / total)} of them: {counted(own, 'image')}, 1 in {total / own:.0f}."
    if facts.many:
        each = sum(facts.classes.counts) / total
        problem = f"{counted(total, 'image')} with {facts.label_count}, {each:.1f} on each on average. "
        problem += f"The one that matters, {name}, is on {share}"
    else:
        problem = f"{counted(total, 'image')} in {facts.label_count}. The one that matters, {name}, is {share}"
    on = facts.on_test
    if not on.positives:
        return problem, f"None of the {counted(on.total, 'test image')} shows it, so nothing is known of it."
    outcome = f"Among {counted(on.total, 'test image')}, {on.tp} of its {write_count(on.positives)} were found"
    if on.positives == 1:
        outcome = f"The only one among {counted(on.total, 'test image')} was {'found' if on.tp else 'missed'}"
    if not on.called:
        return problem, f"{outcome}: it was never decided."
    return problem, (
        f"{outcome}, and {counted(on.fp, 'other')} called so too: {write_share(on.precision)} of such calls are right, "
        f"where guessing gets {write_prevalence(on.prevalence)}."
    )


def groups(counts: Counts, scale: float = 1.0) -> list[Group]:
    """Say which images are missed, found, wrongly called so, and none of these; `scale` multiplies their numbers."""
    return [
        Group("missed", scale * counts.fn, "missed"),
        Group("found", scale * counts.tp, "found"),
        Group("wrongly called so", scale * counts.fp, "alarm"),
        Group("others", scale * counts.tn, "rest"),
    ]


def picture(facts: Facts) -> Markup:
    """Draw every test image as a dot: what was found, missed and wrongly called so of the class that matters."""
    on, name = facts.on_test, quote(facts.positive_name)
    alt = (
        f"Of {counted(on.total, 'test image')}, {on.positives} are {name}: {on.tp} found, {on.fn} missed; "
        f"{on.fp} others are wrongly called so."
    )
    return Markup(dots(groups(on), title=f"{name} among the test images", alt=alt, noun="test image"))


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


def tiles(facts: Facts) -> tuple[Tiles, ...]:
    """Make the tiles of the headline figures: of the class that matters, and of all."""
    on = facts.on_test
    tile = _maker(facts)
    no_skill = write_value(on.prevalence, 3)
    own = (
        tile("recall", "Recall", f"{on.tp} of {counted(on.positives, 'image')} found"),
        tile(
            "precision",
            "Precision",
            f"{on.tp} of {counted(on.called, 'decision')} right; no skill {no_skill}",
            on.prevalence,
        ),
        tile("average_precision", "Average precision", f"ranking of its images; no skill {no_skill}", on.prevalence),
    )
    every = _of_labels(facts, tile) if facts.many else _of_classes(facts, tile)
    return (
        Tiles(f"The class that matters: {quote(facts.positive_name)}", own),
        Tiles(f"All {facts.label_count}", every),
    )


def _of_classes(facts: Facts, tile: Callable[..., Tile]) -> tuple[Tile, ...]:
    present = max(sum(count.positives > 0 for count in facts.counts), 1)
    raw, error = (facts.score("raw", figure) for figure in ("balanced_accuracy", "expected_calibration_error"))
    return (
        tile(
            "balanced_accuracy",
            "Balanced accuracy",
            f"{counted(present, 'class', 'classes')}; guessing {write_value(1 / present, 2 if present <= 50 else 4)}; "
            f"raw {write_value(raw)}",
            1 / present,
        ),
        tile(
            "expected_calibration_error",
            "Expected calibration error",
            f"{counted(len(facts.borne), 'image')}; lower is better; raw {write_value(error)}",
        ),
    )


def _of_labels(facts: Facts, tile: Callable[..., Tile]) -> tuple[Tile, ...]:
    figures, images = facts.metrics.figures, len(facts.borne)
    present, guess = figures.get("classes_present", 0), figures.get("no_skill_mean_average_precision")
    pairs = [sum(getattr(count, cell) for count in facts.counts) for cell in ("tp", "fn")]
    exact = int((~facts.wrong).sum())
    raw = facts.score("raw", "macro_f1")
    return (
        tile(
            "mean_average_precision",
            "Mean average precision",
            f"{present:.0f} labels present; no skill {write_value(guess, 3)}",
            guess,
        ),
        tile("macro_f1", "Macro F1", f"each label counts alike; raw {write_value(raw)}"),
        tile("micro_f1", "Micro F1", f"{write_count(pairs[0])} of {counted(sum(pairs), 'label')} found"),
        tile("exact_match", "Exact match", f"{write_count(exact)} of {counted(images, 'image')} wholly right"),
    )


def _maker(facts: Facts) -> Callable[..., Tile]:
    def tile(key: str, label: str, counts: str, guess: float | None = None) -> Tile:
        value, span = facts.metrics.figures.get(key), facts.metrics.intervals.get(key)
        low, high = span or (None, None)
        interval = f"[{write_value(low)}, {write_value(high)}]" if span else "no interval"
        drawn = gauge(Estimate(value, low, high), title=label, reference=finite(guess))
        return Tile(label, write_value(value), interval, counts, Markup(drawn))

    return tile


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
