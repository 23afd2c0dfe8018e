"""A cluster of one node, in this process, which has no other files of the repository than those that it is told of."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from counterpoise.engine import ray_worker, spread
from counterpoise.study import pool
from counterpoise.study.cells import Done, Job


def engine(root: Path, node: Path, patch: pytest.MonkeyPatch) -> Callable[[Callable[[Job], Done], Sequence[Job]], Any]:
    """Return the engine of cells that a cluster is.

    Args:
        root: The repository.
        node: The folder that stands for it there.
        patch: Puts this node in the place of a cluster.
    """

    def run(
        root: Path, function: Any, *, portion: int, reads: Callable[[Any], Iterable[Path]], on_gpu: bool, every: bool
    ) -> Callable[[list[Job]], Iterator[Any]]:
        setup = ray_worker.Setup(("a", b""), str(node), "token", "", "__main__", {}, 1)

        def some(jobs: list[Job]) -> Iterator[Any]:
            for begin in reversed(range(0, len(jobs), portion)):
                for path in reads(jobs[begin : begin + portion]):
                    if path.is_file():
                        own = node / path.relative_to(root)
                        own.parent.mkdir(parents=True, exist_ok=True)
                        shutil.copy(path, own)
                both = ray_worker.pickled((function, jobs[begin : begin + portion]), root)
                moved, own_jobs = ray_worker._Unpickler(both, setup).load()
                assert all(job.root == node for job in own_jobs)
                yield from moved(own_jobs)

        return some

    patch.setattr(spread, "spread", run)
    patch.setattr(spread, "name", lambda: "ray")
    patch.setattr(spread, "cpus", lambda: 1)
    return pool.choose(root, 1)[0]
