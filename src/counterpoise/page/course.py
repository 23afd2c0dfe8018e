"""The parts of the report page that say how the model came about: class counts, training curves, the prior ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from counterpoise import charts
from counterpoise.charts import write_count, write_share, write_value
from counterpoise.page.facts import Facts, counted, listed, quote
from counterpoise.page.parts import Part, Table, folded
from counterpoise.svg import finite

REASONS = 20
"""So many reasons for leaving rows out are listed."""


def stages(facts: Facts) -> Part:
    """Show where the classes go, from the labels to what one epoch draws."""
    names, images = facts.names, facts.images
    drawn = facts.prior.drawn_counts
    columns: list[tuple[str, Sequence[int]]] = [("labels", facts.classes.counts)]
    columns += [(split, images[split].tolist()) for split in ("train", "val", "test")]
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
    joint = "and" if abs(after - before) < 0.005 else "but"
    text = (
        f"{quote(facts.positive_name)} is {write_share(before)} of the labels, {joint} {write_share(after)} of what "
        f"one epoch of training draws: {write_count(drawn[facts.positive])} of {counted(sum(drawn), 'draw')}. "
        f"{write_count(images['test'][facts.positive])} of its images are kept for the test."
    )
    caption = "First chart: share of the column. Second chart: logarithm of the number, on one scale."
    if facts.prior.train_counts != tuple(images["train"].tolist()):
        caption += (
            f" Draws are of tiles; the {counted(int(images['train'].sum()), 'training image')} gave "
            f"{counted(sum(facts.prior.train_counts), 'tile')}."
        )
    if unused := int(images["unused"].sum()):
        caption += f" {counted(unused, 'image is', 'images are')} in no split."
    return folded(Part("classes", "Where the classes go", (text,), panels(facts.order[0]), caption), facts, panels)


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
    watched = [name for name in map(str, curves) if name.startswith("val/") and name != "val/loss"]
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
    dropout = (", with dropout", ", without") if facts.card.dropout else ("", "")
    caption = f"Loss on train is measured during the epoch{dropout[0]}; on validation after it{dropout[1]}."
    return Part("training", "Training", (text,), Markup(charts.panels(made)), caption if len(losses) == 2 else "")


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
        grouped = Counter(zip(rejected["reason"], rejected["kind"], strict=True))
        rows = tuple((reason, kind, write_count(n)) for (reason, kind), n in grouped.most_common(REASONS))
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


def _series(column: str) -> str:
    name = {"train/loss": "train", "val/loss": "validation"}.get(column, column.removeprefix("val/"))
    return name.replace("_", " ")


def _number(value: float | None) -> str:
    known = finite(value)
    return "n/a" if known is None else f"{known:.3g}"


def _signed(value: float) -> str:
    written = write_value(value, 3)
    return f"+{written}" if value > 0 and float(written) else written
