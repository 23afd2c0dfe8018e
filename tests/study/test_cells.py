"""The files of cells, and the code that decides what is in them."""

import random
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import counterpoise
from counterpoise import config
from counterpoise.artifacts import tiles
from counterpoise.evaluation.scores import Variant
from counterpoise.study import arms, cells, pool, study

PACKAGE = Path(counterpoise.__file__).parent
TEXT = """
seed: 0
folds: 3
repeats: 1
figure: average_precision
view: decided
margin: 0.05
every: {train.epochs: 1}
arms:
  stochastic: {loss: cross_entropy}
  full_batch: {loss: cross_entropy, params: {train.solver: lbfgs}}
"""


@pytest.fixture
def cell(tmp_path: Path) -> Path:
    probs = np.random.default_rng(0).uniform(size=(5, 2))
    variants = {view: Variant(probs, probs > 0.5) for view in cells.VIEWS}
    path = tmp_path / "cell.npz"
    cells.write(path, cells.Tested(np.array([f"image{number}" for number in range(5)]), variants, 0.5, 1.0))
    return path


def test_a_cell_with_any_flipped_bit_is_read_whole_or_not_at_all(cell: Path) -> None:
    good, whole = cells.read(cell), cell.read_bytes()
    assert good is not None
    rng, directory = random.Random(0), whole.index(b"PK\x01\x02")
    for place in [*rng.sample(range(directory, len(whole)), 300), *rng.sample(range(directory), 300)]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        cell.write_bytes(damaged)
        found = cells.read(cell)
        if found is not None:
            assert (found.image_ids.tolist(), found.val_loss) == (good.image_ids.tolist(), good.val_loss)
            assert all(np.array_equal(found.variants[view].probs, good.variants[view].probs) for view in cells.VIEWS)


@pytest.mark.parametrize(("old", "new"), [(6, 99), (8, 1), (10, 99)])
def test_a_cell_that_looks_encrypted_or_compressed_is_computed_again(cell: Path, old: int, new: int) -> None:
    """In the directory of the archive: the version that is needed, flags, and the method of compression."""
    damaged = bytearray(cell.read_bytes())
    damaged[damaged.index(b"PK\x01\x02") + old] = new
    cell.write_bytes(damaged)
    assert zipfile.is_zipfile(cell)
    assert cells.read(cell) is None


def test_the_code_that_decides_a_cell_is_in_its_key(built: Path, content: dict[str, Any]) -> None:
    """A change of a file that runs while a cell is computed has to make another cell."""
    plan, ran = arms.parse(TEXT, content), set()

    def note(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            ran.add(path.relative_to(PACKAGE).as_posix())

    jobs, data = study.prepare(built, content, plan).jobs, cells.data(built, cells.SPLITS)
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        for own in jobs.values():
            cells.compute(own[0].cell, data)
    finally:
        sys.setprofile(before)
    losses = {f"losses/{arm.trials[0]['loss']}.py" for arm in plan.arms}
    assert {"study/experiment.py", "training/loop.py", "training/penalty_path.py"} <= ran
    assert not {file for file in ran - losses if not any(Path(file).is_relative_to(own) for own in cells.CODE)}


@pytest.mark.parametrize(("repository", "count"), [("built", 2), ("whole", 1)])
@pytest.mark.parametrize("in_portions", ["a store"], indirect=True)
def test_a_node_computes_the_same_cells_from_the_files_that_cells_name(
    repository: str, count: int, request: pytest.FixtureRequest, in_portions: Callable[[], None]
) -> None:
    root = request.getfixturevalue(repository)
    content = config.load(root)
    plan = arms.parse(TEXT.partition("  full_batch")[0], content)  # which a whole network cannot have
    jobs = study.prepare(root, content, plan).jobs["stochastic"][:count]
    for job in jobs:
        assert cells.work(job).fault is None
    expected = [cells.read(job.path) for job in jobs]
    shutil.rmtree(jobs[0].path.parent)
    in_portions()
    found = list(pool.choose(root, 1)[0](cells.work, jobs))
    assert [(done.job, done.fault) for done in found] == [(job, None) for job in reversed(jobs)]
    node = Path.cwd()
    assert (node / tiles.path("train")).exists()
    assert not (node / tiles.path("test")).exists()
    assert any(node.rglob("*.tar")) == (repository == "whole")
    for job, one in zip(jobs, expected, strict=True):
        again = cells.read(job.path)
        assert one is not None
        assert again is not None
        np.testing.assert_allclose(again.variants["raw"].probs, one.variants["raw"].probs, atol=1e-6)


def test_why_a_cell_failed_on_a_node_is_said_here(
    built: Path, content: dict[str, Any], in_portions: Callable[[], None]
) -> None:
    job = study.prepare(built, content, arms.parse(TEXT, content)).jobs["stochastic"][0]
    in_portions()
    assert list(pool.choose(built, 1)[0](_fails, [job])) == [cells.Done(job, "it diverged")]
    assert not job.path.exists()


def _fails(job: cells.Job) -> cells.Done:
    return cells.Done(job, "it diverged")
