"""The page of a study, `study/index.html`: what to do, every difference with its interval, and what it can show."""

from __future__ import annotations

import re
from pathlib import Path

from markupsafe import Markup, escape

from counterpoise.report import page
from counterpoise.report.charts import render as rendering
from counterpoise.report.facts import quote
from counterpoise.report.texts import write_count
from counterpoise.study import sections
from counterpoise.study.advice import advice, pull_request
from counterpoise.study.results import Summary

PATH = "study/index.html"


def render(summary: Summary) -> str:
    """Render the page.

    Returns:
        The HTML text: one file without anything from the network, readable without scripts.
    """
    with rendering.unchecked():
        parts = sections.parts(summary)
    environment = page.environment(Path(__file__).parent)
    environment.filters["coded"] = coded
    return environment.get_template("page.html.j2").render(
        **page.frame(),
        dataset=summary.dataset,
        advice=advice(summary),
        settings=_settings(summary),
        parts=parts,
        pull_request=pull_request(summary),
    )


def coded(text: str) -> Markup:
    """Write names in backticks as code.

    Example:
        >>> coded("use `a` & `b`")
        Markup('use <code>a</code> &amp; <code>b</code>')
    """
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(page.tied(text)))))


def _settings(summary: Summary) -> list[tuple[str, str]]:
    study = summary.study
    return [
        ("Figure", f"{summary.noun}, {study.view}"),
        ("Arms", f"{len(summary.rows)}, of which {summary.comparisons} are compared"),
        ("Trainings of an arm", study.design),
        ("Images", f"{write_count(summary.images)} of train and validation"),
        (f"Rarest {summary.kind}", f"{quote(summary.rarest)}, {write_count(summary.units)} independent images"),
        ("Margin", f"{study.margin:g}"),
    ]
