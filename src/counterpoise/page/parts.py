"""The parts of the report page, top to bottom: for each a heading, sentences computed from the facts, and a figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from counterpoise import charts
from counterpoise.charts import Estimate, finite, write_count, write_share, write_value
from counterpoise.page.facts import SHOWN_CLASSES, Facts, counted, listed, quote

MATRIX_CLASSES = 15
"""A confusion matrix of more classes is a table of the most confused pairs."""
PAIRS = 30
REASONS = 20


@dataclass(frozen=True)
class Table:
    """A table of texts; the first `text_columns` columns are words, the others numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1


@dataclass(frozen=True)
class Part:
    """One part of the page.

    Attributes:
        anchor: Its id.
        heading: Its heading.
        text: Paragraphs above the figure.
        charts: Panels of the figure; empty for none.
        caption: Below the figure.
        tables: Below the caption.
        folded: What the fold holds, such as "The other 40 classes"; empty for no fold.
        folded_charts: Panels inside the fold.
        folded_tables: Tables inside the fold.
    """

    anchor: str
    heading: str
    text: tuple[str, ...]
    charts: Markup = Markup()
    caption: str = ""
    tables: tuple[Table, ...] = ()
    folded: str = ""
    folded_charts: Markup = Markup()
    folded_tables: tuple[Table, ...] = ()


def build(facts: Facts) -> list[Part]:
    """Build every part."""
    parts = (stages, training, ways, per_class, confusion, precision_recall, calibration, ledger)
    return [part(facts) for part in parts]


def stages(facts: Facts) -> Part:
    """Show where the classes go, from the labels to what one epoch draws."""
    names, images = facts.names, facts.images
    drawn = facts.prior.drawn_counts
    columns: list[tuple[str, Sequence[int]]] = [("labels", facts.classes.counts)]
    columns += [(split, images[split].tolist()) for split in ("train", "val", "test")]
    if images["unused"].sum():
        columns.append(("unused", images["unused"].tolist()))
    columns.append(("drawn per epoch", drawn))

    def panels(order: Sequence[int]) -> Markup:
        shown = [names[index] for index in order]
        made = [charts.Stage(name, [counts[i] for i in order], int(sum(counts))) for name, counts in columns]
        alt = "; ".join(
            f"{stage.name}: " + ", ".join(f"{n} {c}" for n, c in zip(shown, stage.counts, strict=True))
            for stage in made
        )
        title = "Images of each class through the stages"
        return Markup(
            charts.panels(
                {
                    "Share of each stage": charts.counts_through_stages(shown, made, title=title, alt=alt),
                    "Logarithmic, so that rare classes can be seen": charts.counts_through_stages(
                        shown, made, title=title, alt=alt, scale="log"
                    ),
                }
            )
        )

    total, own = sum(facts.classes.counts), facts.classes.counts[facts.positive]
    before, after = own / total, drawn[facts.positive] / max(sum(drawn), 1)
    moved = "also" if abs(after - before) < 0.005 else "but"
    text = (
        f"{quote(facts.positive_name)} is {write_share(before)} of the labels, {moved} {write_share(after)} of what one "
        f"epoch of training draws: {write_count(drawn[facts.positive])} of {counted(sum(drawn), 'draw')}. "
        f"{write_count(images['test'][facts.positive])} of its images are kept for the test."
    )
    caption = "Bars on the left: share of the column. Bars on the right: logarithm of the number, on one scale."
    if facts.prior.train_counts != tuple(images["train"].tolist()):
        caption += (
            f" Draws are of tiles; the {counted(int(images['train'].sum()), 'training image')} gave "
            f"{counted(sum(facts.prior.train_counts), 'tile')}."
        )
    return _folded(Part("classes", "Where the classes go", (text,), panels(facts.order[0]), caption), facts, panels)


def training(facts: Facts) -> Part:
    """Show the curves of training."""
    curves = facts.curves
    epochs = (curves["step"] + 1).tolist() if "step" in curves else list(range(1, len(curves) + 1))

    def chart(columns: list[str], title: str, y_label: str = "", *, log: bool = False) -> str:
        lines = [charts.Line(_series(column), curves[column].tolist(), epochs) for column in columns]
        alt = f"{title} over {counted(len(epochs), 'epoch')}. " + " ".join(
            f"{line.name}: {_number(line.y[0])} in the first, {_number(line.y[-1])} in the last." for line in lines
        )
        return charts.line_chart(
            lines, title=title, alt=alt, y_label=y_label, mark=facts.best_epoch, mark_name="kept: epoch", log=log
        )

    losses = [column for column in ("train/loss", "val/loss") if column in curves]
    watched = [column for column in curves if column.startswith("val/") and column != "val/loss"]
    made: dict[str, str] = {}
    if losses:
        made["Loss"] = chart(losses, "Loss")
    if watched:
        made["Watched on validation"] = chart(watched, "Figures on validation")
    if "learning_rate" in curves:
        rates = curves["learning_rate"]
        positive = rates[rates > 0]
        log = len(positive) > 0 and float(positive.max() / positive.min()) > 100
        made["Learning rate"] = chart(["learning_rate"], "Learning rate", log=log)
    text = f"Training with loss “{facts.card.loss}” took {counted(len(epochs), 'epoch')}"
    text += f"; the weights of epoch {facts.best_epoch} were kept." if facts.best_epoch is not None else "."
    if len(losses) == 2:
        row = curves.iloc[-1 if facts.best_epoch is None else min(facts.best_epoch, len(curves)) - 1]
        text += f" There the loss is {write_value(row['train/loss'])} on train and {write_value(row['val/loss'])} on "
        text += "validation."
    caption = "Loss on train is measured during the epoch, with dropout; on validation after it, without."
    return Part("training", "Training", (text,), Markup(charts.panels(made)), caption if len(losses) == 2 else "")


WAYS = {"raw": "raw", "calibrated": "calibrated", "decided": "re-decided"}
SCORES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "matthews": "Matthews correlation",
    "average_precision": "Average precision",
    "roc_auc": "Area under ROC",
    "expected_calibration_error": "Expected calibration error",
    "brier_score": "Brier score",
}
OF_PROBABILITIES = ("average_precision", "roc_auc", "expected_calibration_error", "brier_score")
LOWER_IS_BETTER = ("expected_calibration_error", "brier_score")


def ways(facts: Facts) -> Part:
    """Show what the same model scores raw, calibrated and re-decided."""
    table = facts.tables["scores"]

    def chart(figures: list[str], shown: Sequence[str], title: str) -> str:
        measures = []
        for figure in figures:
            rows = table[table["figure"] == figure].set_index("way")
            note = "lower is better" if figure in LOWER_IS_BETTER else ""
            its = {WAYS[way]: _estimate(rows.loc[way]) for way in shown if way in rows.index}
            measures.append(charts.Measure(SCORES.get(figure, figure.replace("_", " ")), its, note))
        alt = "; ".join(f"{m.name}: " + ", ".join(f"{way} {e.text}" for way, e in m.ways.items()) for m in measures)
        return charts.dots_by_way(measures, title=title, alt=f"{title}. {alt}")

    figures = list(dict.fromkeys(table["figure"]))
    made = {
        "Quality of the decisions": chart(
            [figure for figure in figures if figure not in OF_PROBABILITIES], list(WAYS), "Quality of the decisions"
        ),
        "Quality of the probabilities": chart(
            [figure for figure in figures if figure in OF_PROBABILITIES], list(WAYS)[:2], "Quality of the probabilities"
        ),
    }
    raw, final = (facts.score(way, "balanced_accuracy") for way in ("raw", "decided"))
    sentence = ""
    if finite(raw) is not None and finite(final) is not None:
        verb = "left" if write_value(raw) == write_value(final) else "moved"
        sentence = (
            f"Without any new training, correcting the prior and deciding by rule “{facts.decision.rule}” {verb} "
            f"balanced accuracy {_from_to(raw, final)}. "
        )
    sentence += (
        "A class weight or a sampler that only moves the threshold gains nothing over plain training once both are "
        "re-decided: compare remedies in the row “re-decided”, and by average precision, which no threshold changes."
    )
    caption = (
        f"Raw: softmax of the logits, most probable class. Calibrated: by “{facts.decision.calibrator}”, moved to the "
        "target prior, most probable class. Re-decided: the same probabilities under the rule, which changes no "
        f"probability. Average precision and ROC: {quote(facts.positive_name)} against the rest. Lines: 95 % intervals."
    )
    return Part("ways", "Three ways to use the same model", (sentence,), Markup(charts.panels(made)), caption)


MEASURES = {
    "precision": "Precision: how many of the decisions are right",
    "recall": "Recall: how many of the images are found",
    "average_precision": "Average precision: how well images are ranked",
}


def per_class(facts: Facts) -> Part:
    """Show precision, recall and average precision of each class with intervals and counts."""
    table = facts.tables["classes"]
    index = table.set_index(["measure", "class"])

    def panels(order: Sequence[int]) -> Markup:
        made = {}
        for series, (measure, heading) in enumerate(MEASURES.items()):
            rows = []
            for class_ in order:
                row = index.loc[(measure, facts.names[class_])]
                rows.append(charts.Row(facts.names[class_], _estimate(row, int(row["count"])), finite(row["no_skill"])))
            alt = f"{heading}. " + "; ".join(f"{row.name}: {row.estimate.text}" for row in rows)
            made[heading] = charts.bars_with_intervals(rows, title=heading, alt=alt, series=series)
        return Markup(charts.panels(made))

    recalls = table[(table["measure"] == "recall") & table["value"].notna()].sort_values("value", kind="stable")
    text = "No class has a test image."
    if len(recalls):
        worst, best = recalls.iloc[0], recalls.iloc[-1]
        text = (
            f"Found best: {quote(best['class'])}, recall {write_value(best['value'])} of "
            f"{counted(int(best['count']), 'image')}. Found worst: {quote(worst['class'])}, recall "
            f"{write_value(worst['value'])} of {counted(int(worst['count']), 'image')}."
        )
    caption = (
        "n is what the rate is a share of: decisions for precision, images for recall. Lines: 95 % intervals. The tick "
        "is the value of guessing, which is the share of the class in test."
    )
    return _folded(Part("per-class", "Per class", (text,), panels(facts.order[0]), caption), facts, panels)


def confusion(facts: Facts) -> Part:
    """Show which classes are taken for which."""
    names, table = facts.names, facts.confusion
    wrong = table.copy()
    np.fill_diagonal(wrong, 0)
    support = table.sum(axis=1)
    pairs = [(int(k), int(j)) for k, j in zip(*np.nonzero(wrong), strict=True)]
    pairs.sort(key=lambda pair: (-wrong[pair], pair))
    text = f"All {counted(int(table.sum()), 'test image')} are decided rightly."
    if pairs:
        actual, decided = pairs[0]
        text = (
            f"{write_count(wrong.sum())} of {counted(int(table.sum()), 'test image')} are decided wrongly. Most often "
            f"{quote(names[actual])} is taken for {quote(names[decided])}: {write_count(wrong[actual, decided])} of "
            f"{write_count(support[actual])}."
        )
    if len(names) <= MATRIX_CLASSES:
        alt = "; ".join(
            f"actual {names[k]}: " + ", ".join(f"{table[k, j]} decided {names[j]}" for j in range(len(names)))
            for k in range(len(names))
        )
        drawn = charts.confusion_matrix(table, names, title="Confusion matrix", alt=f"Confusion matrix. {alt}")
        caption = "Rows: what images are. Columns: what was decided. Shade and percentage: share of the row."
        return Part("confusion", "Confusion", (text,), Markup(f'<div class="panel">{drawn}</div>'), caption)
    rows = tuple(
        (names[k], names[j], write_count(wrong[k, j]), write_count(support[k]), write_share(wrong[k, j] / support[k]))
        for k, j in pairs[:PAIRS]
    )
    caption = f"The {len(rows)} most confused of {counted(len(pairs), 'pair')}; a matrix of {len(names)} classes cannot be read."
    head = ("actual", "decided", "images", "of", "share")
    return Part("confusion", "Confusion", (text,), tables=(Table(caption, head, rows, 2),) if rows else ())


def precision_recall(facts: Facts) -> Part:
    """Show the trade of precision against recall for the class that matters."""
    curve, name = facts.tables["precision_recall"], facts.positive_name
    heading = "Precision and recall"
    positives = int(facts.confusion[facts.positive].sum())
    if not positives:
        return Part("precision-recall", heading, (f"Test holds no image of {quote(name)}: there is no curve.",))
    found, decided = int(facts.confusion[facts.positive, facts.positive]), facts.confusion[:, facts.positive].sum()
    recall, precision = found / positives, found / decided if decided else float("nan")
    no_skill = positives / len(facts.targets)
    on_curve = len(facts.names) == 2
    at = "at the threshold" if on_curve else "as decided"
    one = charts.PRCurve(name, curve["recall"].tolist(), curve["precision"].tolist(), (recall, precision), at)
    alt = (
        f"Precision against recall of {name}; {at}: recall {write_value(recall)}, precision {write_value(precision)}; "
        f"no skill {write_value(no_skill)}."
    )
    drawn = charts.precision_recall([one], title=f"Precision and recall of {name}", alt=alt, no_skill=no_skill)
    text = f"As decided, {found} of {counted(positives, 'image')} of {quote(name)} are found"
    text += (
        f", and {found} of {counted(int(decided), 'such decision')} are right." if decided else "; it is never decided."
    )
    reachable = curve.loc[curve["recall"] >= 0.5, "precision"]
    if len(reachable):
        text += (
            f" To find half of them by a threshold on their probability, one gets {write_share(reachable.max())} "
            "right decisions at best; this is read off test, so it is no figure to promise."
        )
    caption = f"The dashed line is the precision of guessing, the share of {quote(name)} in test."
    if not on_curve:
        caption += (
            f" The point may lie off the curve: the curve sets a threshold on the probability of {quote(name)} alone, "
            f"while the decision compares {len(facts.names)} classes."
        )
    return Part("precision-recall", heading, (text,), Markup(f'<div class="panel">{drawn}</div>'), caption)


def calibration(facts: Facts) -> Part:
    """Show whether probabilities mean what they say."""
    table = facts.tables["calibration"]
    series = []
    for way in dict.fromkeys(table["way"]):
        rows = table[table["way"] == way]
        observed = [
            Estimate(row.observed, row.low, row.high, int(row.count_))
            for row in rows.rename(columns={"count": "count_"}).itertuples()
        ]
        series.append(charts.Calibration(way, rows["predicted"].tolist(), observed))
    alt = "Observed share of right decisions by predicted probability. " + " ".join(
        f"{one.name}: "
        + "; ".join(f"{write_value(x)}: {y.text}" for x, y in zip(one.predicted, one.observed, strict=True))
        + "."
        for one in series
    )
    drawn = charts.reliability(series, title="Calibration", alt=alt)
    raw, calibrated = (facts.score(way, "expected_calibration_error") for way in ("raw", "calibrated"))
    text = ""
    if finite(raw) is not None and finite(calibrated) is not None:
        change = "fell" if calibrated < raw else "did not fall"
        text = (
            f"The gap between stated probability and share of right answers (expected calibration error) {change}: "
            f"{write_value(raw, 3)} raw, {write_value(calibrated, 3)} calibrated by “{facts.decision.calibrator}”. "
        )
    rows = table[table["way"] == "calibrated"]
    if len(rows):
        said, was = (np.average(rows[column], weights=rows["count"]) for column in ("predicted", "observed"))
        text += f"Calibrated, the most probable class is given {write_share(said)} on average, and is right for "
        text += f"{write_share(was)} of the images."
    caption = "Of the most probable class. Points below the diagonal: too sure. Larger points hold more images."
    return Part("calibration", "Calibration", (text,), Markup(f'<div class="panel">{drawn}</div>'), caption)


def ledger(facts: Facts) -> Part:
    """Write the prior ledger, line by line, and what was left out of the data."""
    chosen = facts.decision
    head = (
        "class",
        "in the labels",
        *(f"× {line.piece} = {line.remedy}" for line in chosen.ledger),
        "= seen by the model",
        "validation",
        "target",
        "step 1, nats",
        "step 2, nats",
    )

    def table(order: Sequence[int]) -> Table:
        rows = tuple(
            (
                facts.names[k],
                write_value(chosen.natural[k], 4),
                *("unknown" if line.factors is None else write_value(line.factors[k], 3) for line in chosen.ledger),
                "unknown" if chosen.seen is None else write_value(chosen.seen[k], 4),
                write_value(chosen.val[k], 4),
                write_value(chosen.target[k], 4),
                _signed(chosen.val_offset[k]),
                _signed(chosen.target_offset[k]),
            )
            for k in order
        )
        return Table(
            "Class prior times the factor of each remedy, up to a common scale; then what is added to the logits.",
            head,
            rows,
        )

    changing = [
        f"{line.piece} = {line.remedy}"
        for line in chosen.ledger
        if line.factors is not None and max(line.factors) > 1.05 * min(line.factors)
    ]
    text = (
        f"What changed the class prior by more than 5 %: {listed(changing)}."
        if changing
        else "Where its effect is known, no switch changed the class prior by more than 5 %."
    )
    if chosen.seen is None:
        text += f" One effect has no closed form, so “{chosen.calibrator}” learned the prior from validation."
    else:
        apart = max(abs(offset) for offset in chosen.val_offset)
        text += (
            f" Step 1, from the prior seen to that of validation, adds at most {write_value(apart)} nats to a logit."
        )
    apart = max(abs(offset) for offset in chosen.target_offset)
    text += f" Step 2, from validation to deployment, adds at most {write_value(apart)}."
    shown, rest = facts.order
    tables = [table(shown)]
    count, rejected = len(facts.rejected), facts.rejected
    left_out = "Every row of the raw labels became an image."
    if count:
        left_out = f"{counted(count, 'row')} of the raw labels became no image."
        grouped = rejected.groupby(["kind", "reason"], sort=False).size().sort_values(ascending=False, kind="stable")
        rows = tuple((reason, kind, write_count(n)) for (kind, reason), n in list(grouped.items())[:REASONS])  # type: ignore[misc]
        caption = "Left out of the data, by reason"
        caption += f"; the {REASONS} most frequent of {len(grouped)}." if len(grouped) > REASONS else "."
        tables.append(Table(caption, ("reason", "kind", "rows"), rows, 2))
    part = Part("ledger", "The prior, line by line", (text, left_out), tables=tuple(tables))
    if not rest:
        return part
    return Part(
        part.anchor,
        part.heading,
        part.text,
        tables=part.tables,
        folded=f"The other {counted(len(rest), 'class', 'classes')}",
        folded_tables=(table(rest),),
    )


def _folded(part: Part, facts: Facts, panels: Callable[[Sequence[int]], Markup]) -> Part:
    """Fold the panels of the more frequent of many classes away, and say so."""
    shown, rest = facts.order
    if not rest:
        return part
    caption = f"{part.caption} Shown: {quote(facts.positive_name)} and the rarest, {SHOWN_CLASSES} classes in all."
    folded = f"The other {counted(len(rest), 'class', 'classes')}"
    return Part(part.anchor, part.heading, part.text, part.charts, caption, (), folded, panels(rest))


def _estimate(row: pd.Series, count: int | None = None) -> Estimate:
    """Read a value with its interval from a row; what is undefined has no interval."""
    value = finite(row["value"])
    return Estimate(value, *((row["low"], row["high"]) if value is not None else (None, None)), count)


def _series(column: str) -> str:
    name = {"train/loss": "train", "val/loss": "validation"}.get(column, column.removeprefix("val/"))
    return name.replace("_", " ")


def _number(value: float | None) -> str:
    known = finite(value)
    return "n/a" if known is None else f"{known:.3g}"


def _signed(value: float) -> str:
    written = write_value(value, 3)
    return f"+{written}" if value > 0 and float(written) else written


def _from_to(before: float, after: float) -> str:
    first, second = write_value(before), write_value(after)
    return f"at {first}" if first == second else f"from {first} to {second}"
