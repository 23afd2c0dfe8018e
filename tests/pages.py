"""Pages for the price of what differs: templates are compiled once, and equal charts are drawn once or not at all."""

import json
from concurrent.futures import Future
from functools import cache

import pytest

from counterpoise.report import page
from counterpoise.report.charts import render

BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0L9 9" stroke="black"/></svg>'
compiled_once = cache(page.environment)
_draw = render._draw


@cache
def drawn_once(content: str) -> Future[str]:
    """Begin to draw a specification, given as JSON."""
    return _draw(json.loads(content))


def make_once(patch: pytest.MonkeyPatch) -> None:
    """Compile templates and draw equal charts once."""
    patch.setattr(page, "environment", compiled_once)
    patch.setattr(render, "_draw", lambda content: drawn_once(json.dumps(content)))


def leave_charts_blank(patch: pytest.MonkeyPatch) -> None:
    """Keep no more of charts than their descriptions: drawing takes more than half the time of a page."""
    patch.setattr(page, "environment", compiled_once)
    patch.setattr(render, "specification", lambda chart: {"description": chart.description})
    blank: Future[str] = Future()
    blank.set_result(BLANK)
    patch.setattr(render, "_draw", lambda content: blank)
