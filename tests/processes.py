"""Several training processes for the price of one start: a process imports all there is, and then forks."""

import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

COUNT = 2
ROOT = Path(__file__).parents[1]


def environment() -> dict[str, str]:
    """What `torchrun` tells each of its processes, except for the rank."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = str(one.getsockname()[1])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    shared |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}  # finds `tests`
    shared |= {"WORLD_SIZE": str(COUNT), "LOCAL_WORLD_SIZE": str(COUNT)}
    return os.environ | shared | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def start(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script that calls `fork`, in a folder."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def fork(work: Callable[[], object]) -> None:
    """Be one process for each rank, wait for all, and end with an error if one of them did."""
    children = []
    for rank in range(COUNT):
        if not (child := os.fork()):
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            work()
            sys.exit()
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    sys.exit(max(map(abs, codes)))


if __name__ == "__main__":
    import lightning_fabric  # noqa: F401 - before the processes part
    import timm  # noqa: F401

    from counterpoise.dataset import augmentation, inputs  # noqa: F401
    from counterpoise.training import loop, members  # noqa: F401

    fork(lambda: runpy.run_module("counterpoise.stages.train", run_name="__main__"))
