import json
import os
import signal
import subprocess
import sys
import time

import pytest

from counterpoise.report.charts import vega

TEXT = {"data": {"values": [{}]}, "mark": {"type": "text", "text": "a"}}
BROKEN = {"data": {"values": [{}]}, "mark": "no such mark"}


def test_charts_are_drawn_in_their_order_while_other_code_runs() -> None:
    drawer = vega.Drawer()
    pictures = [drawer.svg({**TEXT, "title": f"chart {number}"}) for number in range(3)]
    assert [f">chart {number}<" in picture.result() for number, picture in enumerate(pictures)] == [True] * 3


def test_an_error_is_raised_where_the_chart_is_needed_and_others_are_drawn() -> None:
    drawer = vega.Drawer()
    broken, other = drawer.svg(BROKEN), drawer.svg(TEXT)
    with pytest.raises(ValueError, match="Vega-Lite to SVG conversion failed"):
        broken.result()
    assert other.result().startswith("<svg")


def test_texts_come_back_as_they_are_in_any_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONUTF8", "0")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    title = "défaut 不良\u2028 <b>"
    assert "défaut 不良\u2028 &lt;b&gt;" in vega.Drawer().svg({**TEXT, "title": title}).result()


def test_a_process_that_was_killed_is_named() -> None:
    drawer = vega.Drawer()
    drawer.svg(TEXT).result()
    drawer._child.kill()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the process for charts ended with exit code -9"):
            drawer.svg(TEXT).result()


def test_the_process_ends_with_the_drawer() -> None:
    drawer = vega.Drawer()
    child = drawer._child
    drawer.svg(TEXT).result()
    del drawer
    assert child.wait(10) == 0


def test_the_process_ends_with_a_parent_that_is_killed_and_leaves_interrupts_to_it() -> None:
    """The parent prints the number of its child, which has drawn, and sleeps."""
    code = [
        "import sys, time",
        "from counterpoise.report.charts import vega",
        f"vega.drawer().svg({json.dumps(TEXT)}).result()",
        "print(vega.drawer()._child.pid, flush=True)",
        "time.sleep(60)",
    ]
    with subprocess.Popen([sys.executable, "-c", "\n".join(code)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, signal.SIGINT)
        time.sleep(0.1)
        os.kill(child, 0)  # it is there
        parent.kill()
    for _ in range(100):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the child is still there")
