"""Draw Vega-Lite in a process of its own, since vl-convert keeps the threads of its process waiting while it draws.

`python -m counterpoise.report.charts.vega` reads specifications and writes pictures, each as a line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import weakref
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import count
from typing import IO, Any

VERSION = "6.4"
"""Version of Vega-Lite that draws. Altair writes specifications of the same version."""
ENDING_S = 10.0
"""How long the child may take to end after its last chart."""


class Drawer:
    """A child process that draws one chart after the other. It ends soon after its parent, even one that was killed."""

    def __init__(self) -> None:
        """Start the child, which is ready after half a second."""
        command = [sys.executable, "-m", "counterpoise.report.charts.vega"]
        # In a group of its own the child gets no Ctrl-C, which its parent answers.
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="ascii", process_group=0
        )
        self._waiting = ThreadPoolExecutor(1)
        self._numbers = count()
        weakref.finalize(self, _end, self._child, os.getpid())

    def svg(self, specification: Mapping[str, Any]) -> Future[str]:
        """Begin to draw a chart as SVG.

        Args:
            specification: Vega-Lite, with its `config`.

        Returns:
            The picture to come. It raises ValueError if Vega cannot draw it, InputError if the child was killed, and
            RuntimeError if it ended or answered anything else.
        """
        return self._waiting.submit(self._ask, next(self._numbers), specification)

    def _ask(self, number: int, specification: Mapping[str, Any]) -> str:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps([number, dict(specification)]), file=self._child.stdin, flush=True)
        line = self._child.stdout.readline()
        if not line.endswith("\n"):
            raise _ended(self._child.wait())
        try:
            answered, svg, error = json.loads(line)
        except ValueError:
            answered = None
        if answered != number:
            self._child.kill()
            raise RuntimeError(f"the process for charts answered {line[:100]!r}; expected picture {number}")
        if error:
            raise ValueError(error)
        return str(svg)


@cache
def drawer() -> Drawer:
    """Return the child that draws the charts of this process."""
    return Drawer()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=drawer.cache_clear)  # a fork has no thread that waits for answers


def _ended(code: int) -> Exception:
    """Say how the child ended before its answer."""
    from counterpoise.config import InputError  # the child does without

    if code >= 0:
        return RuntimeError(f"the process for charts ended with exit code {code}; its message is above")
    return InputError(
        f"the process for charts was killed by signal {-code}, perhaps for want of memory; free some memory and run "
        "`dvc repro` again"
    )


def _end(child: subprocess.Popen[str], parent: int) -> None:
    """End a child by closing its input, which a fork of its parent leaves alone."""
    if os.getpid() != parent:
        return
    assert child.stdin is not None
    assert child.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        child.stdin.close()
    try:
        child.wait(ENDING_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    child.stdout.close()


def serve(specifications: IO[str], pictures: IO[str]) -> None:
    """For each line `[number, specification]`, write a line `[number, SVG, error]`, of which one is null."""
    import vl_convert

    for line in specifications:
        number, specification = json.loads(line)
        try:
            answer = [number, vl_convert.vegalite_to_svg(specification, vl_version=VERSION), None]
        except ValueError as error:
            answer = [number, None, str(error)]
        print(json.dumps(answer), file=pictures, flush=True)


def main() -> None:
    """Draw what standard input asks for. Whatever else is printed goes to standard error."""
    pictures = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with contextlib.suppress(BrokenPipeError):  # whoever asked has ended
        serve(sys.stdin, pictures)
    os._exit(0)  # without flushing what nobody reads


if __name__ == "__main__":
    main()
