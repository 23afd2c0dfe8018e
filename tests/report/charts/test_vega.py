import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from counterpoise.config import InputError
from counterpoise.report.charts import vega

TEXT = {"data": {"values": [{}]}, "mark": {"type": "text", "text": "a"}}
BROKEN = {"data": {"values": [{}]}, "mark": "no such mark"}


def test_charts_are_drawn_in_their_order_while_other_code_runs() -> None:
    drawer = vega.Drawer()
    pictures = [drawer.svg({**TEXT, "title": f"chart {number}"}) for number in range(3)]
    assert not pictures[0].done()
    assert [f">chart {number}<" in picture.result() for number, picture in enumerate(pictures)] == [True] * 3


def test_an_error_is_raised_where_the_chart_is_needed_and_others_are_drawn() -> None:
    drawer = vega.Drawer()
    broken, other = drawer.svg(BROKEN), drawer.svg(TEXT)
    with pytest.raises(ValueError, match="Vega-Lite to SVG conversion failed"):
        broken.result()
    assert other.result().startswith("<svg")


def test_any_text_comes_back_in_any_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}.items():
        monkeypatch.setenv(name, value)
    title = "défaut 不良\u2028 <b>"
    assert "défaut 不良\u2028 &lt;b&gt;" in vega.Drawer().svg({**TEXT, "title": title}).result()


def test_a_process_that_was_killed_is_told_with_a_remedy() -> None:
    drawer = vega.Drawer()
    drawer.svg(TEXT).result()
    drawer._child.kill()
    for _ in range(2):
        with pytest.raises(InputError, match="killed by signal 9, perhaps for want of memory; free some"):
            drawer.svg(TEXT).result()


def test_a_process_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(RuntimeError, match="ended with exit code 1; its message is above"):
        vega.Drawer().svg(TEXT).result()


def test_what_else_is_printed_never_takes_the_place_of_a_picture(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('hello')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    drawer = vega.Drawer()
    first, second = drawer.svg(TEXT), drawer.svg(TEXT)
    with pytest.raises(RuntimeError, match=r"answered 'hello\\n'; expected picture 0"):
        first.result()
    with pytest.raises(InputError):
        second.result()


def test_the_process_ends_with_the_drawer() -> None:
    drawer = vega.Drawer()
    child = drawer._child
    drawer.svg(TEXT).result()
    del drawer
    assert child.wait(10) == 0


def test_a_fork_draws_by_a_process_of_its_own_and_leaves_that_of_its_parent() -> None:
    drawer = vega.drawer()
    drawer.svg(TEXT).result()
    pid = os.fork()
    if not pid:
        try:
            os._exit(0 if vega.drawer() is not drawer and vega.drawer().svg(TEXT).result(60) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert drawer.svg(TEXT).result().startswith("<svg")


@pytest.mark.parametrize("drawn", [True, False])
def test_the_process_ends_quietly_with_a_parent_that_is_killed(drawn: bool) -> None:
    """Standard error ends when the last process that has it does."""
    code = [
        "import os, signal",
        "from counterpoise.report.charts import vega",
        f"picture = vega.drawer().svg({json.dumps(TEXT)})",
        *(["picture.result()"] if drawn else []),
        "os.kill(os.getpid(), signal.SIGKILL)",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code)], stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")


def test_ctrl_c_reaches_this_process_alone() -> None:
    drawer = vega.Drawer()
    assert os.getpgid(drawer._child.pid) != os.getpgrp()
