"""The top of the report page: what the problem is, how it ended, and the headline figures."""

from __future__ import annotations

from dataclasses import dataclass

from counterpoise.charts import write_count, write_share, write_value
from counterpoise.page.facts import Facts, counted, quote
from counterpoise.page.parts import Table


@dataclass(frozen=True)
class Tile:
    """A headline figure with its interval, and the counts and comparisons without which it says nothing."""

    label: str
    value: str
    interval: str
    counts: str


def lede(facts: Facts) -> tuple[str, str]:
    """Say what the problem is, and how it ended, in a sentence each."""
    total, own, name = sum(facts.classes.counts), facts.classes.counts[facts.positive], quote(facts.positive_name)
    problem = (
        f"{counted(total, 'image')} in {counted(len(facts.names), 'class', 'classes')}. The one that matters, {name}, "
        f"is {write_share(own / total)} of them: {counted(own, 'image')}, 1 in {total / own:.0f}."
    )
    positives, called = (int(facts.confusion.sum(axis=axis)[facts.positive]) for axis in (1, 0))
    found = int(facts.confusion[facts.positive, facts.positive])
    if not positives:
        return problem, f"None of the {counted(len(facts.targets), 'test image')} shows it, so nothing is known of it."
    outcome = f"Among {counted(len(facts.targets), 'test image')}, {found} of its {write_count(positives)} were found"
    if not called:
        return problem, f"{outcome}: it was never decided."
    return problem, (
        f"{outcome}, and {counted(called - found, 'other')} called so too: {write_share(found / called)} of such calls "
        f"are right, where guessing gets {write_share(positives / len(facts.targets))}."
    )


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


def tiles(facts: Facts) -> tuple[Tile, ...]:
    """Make the tiles of the headline figures."""
    name, n = quote(facts.positive_name), len(facts.targets)
    support, called = facts.confusion.sum(axis=1), facts.confusion.sum(axis=0)
    found = facts.confusion[facts.positive, facts.positive]
    share = write_value(support[facts.positive] / n, 3)
    present = int((support > 0).sum())
    raw_balanced, raw_error = facts.score("raw", "balanced_accuracy"), facts.score("raw", "expected_calibration_error")
    rows = (
        (
            "balanced_accuracy",
            "Balanced accuracy",
            f"guessing {write_value(1 / present)}; raw {write_value(raw_balanced)}; {present} classes",
        ),
        ("average_precision", f"Average precision of {name}", f"no skill {share}"),
        ("recall", f"Recall of {name}", f"{found} of {counted(int(support[facts.positive]), 'image')} found"),
        (
            "precision",
            f"Precision of {name}",
            f"{found} of {counted(int(called[facts.positive]), 'decision')} right; no skill {share}",
        ),
        (
            "expected_calibration_error",
            "Expected calibration error",
            f"lower is better; raw {write_value(raw_error)}; {counted(n, 'image')}",
        ),
    )
    made = []
    for key, label, counts in rows:
        span = facts.metrics.intervals.get(key)
        interval = f"[{write_value(span[0])}, {write_value(span[1])}]" if span else "no interval"
        made.append(Tile(label, write_value(facts.metrics.figures.get(key)), interval, counts))
    return tuple(made)


def figures(facts: Facts) -> Table:
    """List every figure of `metrics.json` as it stands there."""
    rows = tuple(
        (
            name.replace("_", " "),
            f"{value:.4g}" if isinstance(value, float) else str(value),
            "–".join(f"{end:.4g}" for end in facts.metrics.intervals.get(name, ())),
        )
        for name, value in facts.metrics.figures.items()
    )
    return Table("As in reports/metrics.json.", ("figure", "value", "95 % interval"), rows)
