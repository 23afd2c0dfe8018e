"""What to do after a study, in three sentences for a person in a hurry and in a paragraph for a pull request."""

from __future__ import annotations

from typing import get_args

from counterpoise.study.results import Row, Summary, typical, winner
from counterpoise.study.verdicts import LEAST_UNITS, NoVerdict, Verdict, Word
from counterpoise.study.wording import sentence, with_interval

COMMAND = "counterpoise study"


def advice(summary: Summary) -> tuple[str, str, str]:
    """Say which arm to use, how sure this is, and what more data would bring.

    Names of arms and classes are in backticks.
    """
    best = winner(summary.rows)
    if not summary.verdicts:
        return _without_verdicts(summary)
    if best is None or not isinstance(best.found, Verdict):
        return _keep(summary), _counts(summary), _more(summary)
    shown = with_interval(best.found, summary.study.margin)
    sure = f"The difference is {shown}; {summary.coverage[0].lower()}{summary.coverage[1:]}"
    none = f" {_number(summary.without_verdict)} no verdict." if summary.without_verdict else ""
    return f"{_use(summary, best)}.", f"{sure}.{none}{_few(summary)}{_on_test(summary)}", _more(summary)


def _few(summary: Summary) -> str:
    few = summary.study.few_trainings
    return f" {few}" if few else ""


def _number(arms: int) -> str:
    return "1 arm has" if arms == 1 else f"{arms} arms have"


def _without_verdicts(summary: Summary) -> tuple[str, str, str]:
    reasons = [row.found.reason for row in summary.rows if isinstance(row.found, NoVerdict)]
    why = f"The first reason: {reasons[0]}." if reasons else "The study compares nothing with a control."
    few = summary.kind == "class" and summary.units < LEAST_UNITS  # a mean over labels counts only those with enough
    more = (
        f"Label at least {LEAST_UNITS} independent images of {summary.kind} `{summary.rarest}`; "
        f"there are {summary.units}."
        if few
        else f"Remove the reasons and run `{COMMAND}` again; finished trainings are kept."
    )
    return "Keep what you have: no arm has a verdict.", why, more


def _keep(summary: Summary) -> str:
    """Name the control to keep; of several, which are not compared with each other, the one with the highest mean."""
    controls = summary.controls
    among = f", with the highest mean of {len(controls)} controls" if len(controls) > 1 else ""
    return f"Keep the control (`{controls[0].name}`{among}): no arm is better."


def _counts(summary: Summary) -> str:
    words = [one.word for one in summary.verdicts]
    inside = words.count("equivalent") + words.count("identical")
    none = f", {summary.without_verdict} without a verdict" if summary.without_verdict else ""
    return (
        f"{summary.comparisons} arms: {inside} within {summary.study.margin:g} of the control, "
        f"{words.count('worse')} worse, {words.count('undecided')} undecided{none}. "
        f"{summary.coverage}.{_few(summary)}"
    )


def _use(summary: Summary, best: Row) -> str:
    """Recommend the winner, and say if another control has a higher mean, since the two were not compared."""
    text = f"Use `{best.name}`: its {summary.noun} is better than that of `{best.control}`"
    own, highest = summary.mean(best), summary.controls[0]
    top = summary.mean(highest)
    if own is None or top is None or top <= own:
        return text
    return f"{text}; but `{highest.name}`, with which it was not compared, has a mean of {top:.3f} and not {own:.3f}"


def _on_test(summary: Summary) -> str:
    if summary.confirmation is None:
        return ""
    said = sentence(summary.confirmation.found, summary.study.margin, images="")
    return f" On test, read once after this choice: {said}. {summary.confirmation.leaves_out}".rstrip()


def _more(summary: Summary) -> str:
    middle = typical(summary.verdicts)
    if middle is None:
        return "All arms are identical to their controls, so more images would not separate them."
    of, more = ("the rarest label", " of every label") if summary.of_labels else ("class", "")
    return (
        f"With {summary.units} independent images of {of} `{summary.rarest}`, this study finds a difference of "
        f"{middle.detectable:.2f} in 4 of 5 cases, for an arm whose interval has the median width; four times as many "
        f"images{more} would show about half of it."
    )


def pull_request(summary: Summary) -> str:
    """Write a paragraph for a pull request. Names of arms and classes are in backticks."""
    study, controls = summary.study, summary.controls
    opening = (
        f"Study on {summary.dataset}: {len(summary.rows)} arms, {study.design} of the "
        f"{summary.images:,} images in train and validation ({summary.units} independent images of {summary.kind} "
        f"`{summary.rarest}`). Declared figure: {summary.noun}, {study.view}; smaller differences than "
        f"{study.margin:g} count as none."
    )
    control = ""
    if controls:
        control = f" The control `{controls[0].name}` has {summary.mean(controls[0]):.3f}."
    words = [_listed(summary, word) for word in get_args(Word)]
    without = [f"`{row.name}`" for row in summary.rows if isinstance(row.found, NoVerdict)]
    if without:
        words.append(f"No verdict: {', '.join(without)}.")
    test = _on_test(summary) or " Test was not read."
    few = _few(summary) if summary.verdicts else ""
    return f"{opening}{control} {' '.join(filter(None, words))}{few}{test} Command: `{COMMAND}`."


def _listed(summary: Summary, word: Word) -> str:
    """List the arms of a verdict, with their intervals where they are better or worse."""
    rows = [(row.name, row.found) for row in summary.rows if isinstance(row.found, Verdict) and row.found.word == word]
    if not rows:
        return "" if word != "better" else "Better: none."
    if word not in ("better", "worse"):
        return f"{word.capitalize()}: {', '.join(f'`{name}`' for name, _ in rows)}."
    shown = [f"`{name}` {with_interval(found, summary.study.margin)}" for name, found in rows]
    return f"{word.capitalize()}: {', '.join(shown)}."
