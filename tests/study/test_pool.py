"""Processes of a study, and what they do when it ends early."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, signal, sys, time, types
cells = types.ModuleType("counterpoise.study.cells")
cells.Done = cells.Engine = cells.Job = None
sys.modules[cells.__name__] = cells
from counterpoise.config import InputError
from counterpoise.study import pool

def sleep(job):
    print("begun", flush=True)
    time.sleep(100)

def die(job):
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    try:
        list(pool.in_processes(int(sys.argv[2]))(globals()[sys.argv[1]], [0, 1, 2, 3]))
    except KeyboardInterrupt:
        sys.exit(130)
    except InputError as error:
        sys.exit(str(error))
"""
"""It computes no cells: each of its processes would import PyTorch, which takes three seconds."""


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the script as a terminal does: in a session of its own, where Ctrl-C reaches every process."""
    (folder / "script.py").write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, str(folder / "script.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.mark.parametrize("send", [os.kill, os.killpg])
def test_ctrl_c_ends_what_trains_at_once_and_without_a_traceback(tmp_path: Path, send: object) -> None:
    assert callable(send)
    with start(tmp_path, "sleep", "2") as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["begun\n"] * 2
        send(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=50)
    assert process.returncode == 130
    assert (out, err) == ("", ""), "nothing else begins, and nobody complains"


@pytest.mark.parametrize(("jobs", "advice"), [("2", "run it again with fewer --jobs"), ("1", "with more memory")])
def test_a_process_that_is_killed_is_told_of_in_words(tmp_path: Path, jobs: str, advice: str) -> None:
    with start(tmp_path, "die", jobs) as process:
        _, err = process.communicate(timeout=50)
    assert process.returncode == 1
    assert err.startswith("a process of the study was killed, perhaps for want of memory; ")
    assert advice in err
    assert "finished trainings are kept" in err
