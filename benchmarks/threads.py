"""Seconds of `train` (a stochastic head) and `evaluate` with 1, 2 and 4 threads, alone and beside busy processes.

Run `python benchmarks/threads.py` from the top of a repository in which `make` built the default problem. It takes some
minutes, and writes only to a temporary folder. Each stage runs as `python -m` with `OMP_NUM_THREADS`, first on the
machine as it is, then beside two processes that do nothing but count. `--head dense` measures a larger head, `--rounds`
more rounds, of which the median is printed. `free` in the column of threads means that no variable is set, so that the
package chooses.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BUSY = 2
READ = ("data", "reports", "models/pretrained", "models/decision.json", "results/predictions")
STAGES = ("train", "evaluate")


def copy(root: Path, folder: Path, head: str, epochs: int) -> None:
    """Link what the stages read; what they write is new."""
    text = (root / "params.yaml").read_text(encoding="utf-8")
    text = text.replace("  solver: lbfgs\n", "  solver: adamw\n")
    text = text.replace("  head: linear\n", f"  head: {head}\n").replace("  epochs: 60\n", f"  epochs: {epochs}\n")
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    for name in READ:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name == "reports":
            shutil.copytree(root / name, folder / name)
        else:
            (folder / name).symlink_to(root / name)


def seconds(folder: Path, stage: str, threads: str) -> float:
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    if threads != "free":
        environment["OMP_NUM_THREADS"] = threads
    begin = time.perf_counter()
    command = [sys.executable, "-m", f"counterpoise.stages.{stage}"]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - begin


@contextmanager
def busy(count: int) -> Iterator[None]:
    processes = [subprocess.Popen([sys.executable, "-c", "while 1: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--head", default="linear", choices=("linear", "dense"))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} CPUs, head {arguments.head}, {arguments.epochs} epochs, load {os.getloadavg()[0]:.1f}")
    print(f"{'stage':10s}{'threads':>8s}{'alone':>9s}{f'beside {BUSY}':>10s}  seconds, median of {arguments.rounds}")
    with tempfile.TemporaryDirectory() as name:
        copy(Path.cwd(), Path(name), arguments.head, arguments.epochs)
        for stage in STAGES:
            for threads in ("1", "2", "4", "free"):
                medians = []
                for others in (0, BUSY):
                    with busy(others):
                        times = [seconds(Path(name), stage, threads) for _ in range(arguments.rounds)]
                    medians.append(statistics.median(times))
                print(f"{stage:10s}{threads:>8s}{medians[0]:9.1f}{medians[1]:10.1f}", flush=True)


if __name__ == "__main__":
    main()
