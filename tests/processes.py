"""Processes for the price of a fork: a server imports once what most stages need, and each process begins as its copy.

What an interpreter of its own imports, and how DVC and a shell start it, is the matter of other tests.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

COUNT = 2
ROOT = Path(__file__).parents[1]
IMPORTED = (
    *("pytest", "pandas", "sklearn.metrics", "scipy.stats", "torch", "timm", "lightning_fabric", "altair", "dvc.cli"),
    *("dvc.commands.repro", "dvc.commands.experiments.run", "counterpoise.dataset.augmentation"),
    *("counterpoise.dataset.inputs", "counterpoise.training.loop", "counterpoise.training.members"),
)
"""What the server imports."""
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(list(IMPORTED))


class Done(NamedTuple):
    """How a process ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


class Started:
    """A running process."""

    def __init__(self, command: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        out, err = (Path(self._folder.name) / name for name in ("out", "err"))
        self._outputs = (out, err)
        arguments = (command, str(folder), dict(environment), str(out), str(err))
        self._process = SERVER.Process(target=_begin, args=arguments)
        paths = list(sys.path)
        sys.path.append(str(ROOT))  # where the new process finds `tests`
        self._process.start()
        sys.path[:] = paths

    def runs(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> None:
        self._process.kill()

    def wait(self, seconds: float = 100) -> Done:
        """Wait until it has ended, and return what it left."""
        self._process.join(seconds)
        code = self._process.exitcode
        assert code is not None, f"it runs for more than {seconds} seconds"
        texts = [path.read_text(encoding="utf-8") if path.exists() else "" for path in self._outputs]
        self._folder.cleanup()
        return Done(code, *texts)


def start(*command: str, folder: Path, environment: Mapping[str, str] = os.environ) -> Started:
    """Start `dvc`, a module behind `-m`, code behind `-c`, or a script, in a folder."""
    return Started(command, folder, environment)


def _begin(command: tuple[str, ...], folder: str, environment: dict[str, str], out: str, err: str) -> None:
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    _become(command, folder, environment)


def _become(command: tuple[str, ...], folder: str, environment: Mapping[str, str]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = ["", *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    name, *arguments = sys.argv = list(command)
    if name == "dvc":
        _be_dvc(arguments)
    elif name == "-m":
        sys.argv = arguments
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    elif name == "-c":
        sys.argv = ["-c", *arguments[1:]]
        exec(arguments[0], {"__name__": "__main__"})
    else:
        runpy.run_path(name, run_name="__main__")


def _be_dvc(arguments: list[str]) -> None:
    """Run dvc, whose stages are copies of its process."""
    from dvc.cli import main
    from dvc.stage import run
    from dvc.stage.exceptions import StageCmdFailedError

    def as_copy(executable: str, command: str, *, cwd: str, env: Mapping[str, str], **_: object) -> None:
        python, *rest = command.split()
        assert python == "python", f"{command} is no stage"
        child = multiprocessing.get_context("fork").Process(target=_become, args=(rest, cwd, env))
        sys.stdout.flush()
        child.start()
        child.join()
        if child.exitcode:
            raise StageCmdFailedError(command, child.exitcode)

    run._run = as_copy
    sys.exit(main(arguments))


def ranked() -> dict[str, str]:
    """What `torchrun` tells each of its processes, except for the rank."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = str(one.getsockname()[1])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    shared |= {"WORLD_SIZE": str(COUNT), "LOCAL_WORLD_SIZE": str(COUNT)}
    return os.environ | shared | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def both(*command: str, folder: Path) -> Done:
    """Run a command in two processes, as `torchrun` does, and return the worse exit code and what both wrote."""
    shared = ranked()
    running = [
        start(*command, folder=folder, environment=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(COUNT)
    ]
    codes, out, err = zip(*(process.wait() for process in running), strict=True)
    return Done(max(map(abs, codes)), "".join(out), "".join(err))
