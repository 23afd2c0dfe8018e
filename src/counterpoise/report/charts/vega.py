"""Draw Vega-Lite in a process of its own, since vl-convert keeps the threads of its process waiting while it draws.

`python -m counterpoise.report.charts.vega` reads specifications and writes pictures, each as a line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import weakref
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import IO, Any

VERSION = "6.4"
"""Version of Vega-Lite that draws. Altair writes specifications of the same version."""


class Drawer:
    """A process that draws one chart after the other. It ends with this one, also after `kill -9`."""

    def __init__(self) -> None:
        """Start the process, which is ready after half a second."""
        command = [sys.executable, "-m", "counterpoise.report.charts.vega"]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
        self._waiting = ThreadPoolExecutor(1)
        weakref.finalize(self, _end, self._child)

    def svg(self, specification: Mapping[str, Any]) -> Future[str]:
        """Begin to draw a chart as SVG.

        Args:
            specification: Vega-Lite, with its `config`.

        Returns:
            The picture to come. It raises ValueError if Vega cannot draw it, and RuntimeError if the process has ended.
        """
        return self._waiting.submit(self._ask, json.dumps(specification))

    def _ask(self, line: str) -> str:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(line, file=self._child.stdin, flush=True)
        answered = self._child.stdout.readline()
        if not answered:
            raise RuntimeError(f"the process for charts ended with exit code {self._child.wait()}")
        answer: dict[str, str] = json.loads(answered)
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["svg"]


@cache
def drawer() -> Drawer:
    """Return the process that draws the charts of this one."""
    return Drawer()


def _end(child: subprocess.Popen[str]) -> None:
    """End a process by ending its input."""
    with contextlib.suppress(BrokenPipeError):
        child.communicate()


def serve(specifications: IO[str], pictures: IO[str]) -> None:
    """Draw each line of a file, and write a line for it: `svg`, or the `error` if Vega cannot draw it."""
    import vl_convert

    for line in specifications:
        try:
            answer = {"svg": vl_convert.vegalite_to_svg(json.loads(line), vl_version=VERSION)}
        except ValueError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), file=pictures, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is answered by the process that asks
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # whatever the locale
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    serve(sys.stdin, sys.stdout)
