"""The cells of a study: one training of one arm, tested on one fold; pure, kept by content, and run by any engine.

`study/cells/<key>.npz` is what a cell found. The key is a hash of all that decides it: its parameters, which images
train, validate and test, the data, and the code. A cell that was computed before is read; a killed study computes what
is missing. Nothing of it is part of the result, so the folder may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from counterpoise import labels, storage
from counterpoise.artifacts import classes, clusters, features, positive, tiles
from counterpoise.config import InputError
from counterpoise.engine.threads import one_thread
from counterpoise.evaluation.scores import Variant
from counterpoise.networks import pretrained
from counterpoise.study import experiment, figures, keys, shuffle_split
from counterpoise.study.experiment import Data

FOLDER = "study/cells"
SPLITS = ("train", "val")
"""What a study reads; test stays locked until the verdicts."""
VIEWS = ("raw", "calibrated", "decided")
READ = ("task", "seed", "oversample", "model", "weighting", "train", "predict", "decide")
"""Sections of the parameters that decide a cell, beside the loss and its block."""
CODE = (
    *("artifacts", "calibration", "config", "dataset", "decision", "evaluation", "images", "imbalance"),
    *("engine/precision.py", "engine/process_group.py", "engine/threads.py", "engine/unfinished.py"),
    *("metrics", "networks", "tasks", "training", "labels.py", "seeds.py", "losses/__init__.py"),
    *("stages/decide.py", "stages/oversample.py", "stages/predict.py", "stages/train.py"),
    *("study/cells.py", "study/experiment.py", "study/figures.py", "study/keys.py", "study/shuffle_split.py"),
)
"""Files and folders of the package that decide a cell, beside the file of the loss."""
PACKAGES = ("albumentations", "imbalanced-learn", "numpy", "scikit-learn", "scipy", "timm", "torch")
"""Those that compute what a cell finds."""


@dataclass(frozen=True)
class Cell:
    """One training.

    Attributes:
        arm: Name of the arm.
        trial: Which setting of its grid.
        repeat: Which folds.
        fold: Which of them tests.
        content: Parameters, with the seed of this training.
        split_of: image_id -> `train`, `val` or `test`, of the images in train and validation.
        seed: Decides the draws.
    """

    arm: str
    trial: int
    repeat: int
    fold: int
    content: Mapping[str, Any]
    split_of: Mapping[str, str]
    seed: int


@dataclass(frozen=True)
class Tested:
    """What a cell found.

    Attributes:
        image_ids: (n,) images of the fold that tests.
        variants: Name of a view -> (n, c) probabilities and decisions.
        val_loss: Log loss of the calibrated probabilities on the fold that validates; chooses among settings.
        seconds: How long it took.
    """

    image_ids: NDArray[np.str_]
    variants: Mapping[str, Variant]
    val_loss: float
    seconds: float


@dataclass(frozen=True)
class Job:
    """A cell to compute, where the data lie, the file to keep it in, and the splits that it may read."""

    cell: Cell
    root: Path
    path: Path
    names: tuple[str, ...] = SPLITS


@dataclass(frozen=True)
class Done:
    """A cell that was tried; `fault` says why it failed."""

    job: Job
    fault: str | None


T = TypeVar("T")
Engine: TypeAlias = Callable[[Callable[[Job], Done], Sequence[Job]], Iterator[Done]]
"""Applies a function to jobs and yields what it returns, in any order. The built-in `map` is one."""


def compute(cell: Cell, data: Data) -> Tested:
    """Train, tune and test one head or network.

    Args:
        cell: What to train.
        data: Artifacts of train and val; no other split is used.

    Raises:
        InputError: Settings do not suit each other, or the training diverged.
    """
    begun_s = time.monotonic()
    outcome = experiment.run(cell.content, shuffle_split.resplit(data, cell.split_of), cell.seed)
    val = experiment.evaluate(outcome, "val")[0]["calibrated"].probs
    truth = labels.indicators(outcome.predictions["val"].labels, outcome.predictions["val"].classes)
    variants, _ = experiment.evaluate(outcome, "test")
    image_ids = np.array(outcome.predictions["test"].image_ids)
    return Tested(image_ids, variants, figures.log_loss(truth, val), time.monotonic() - begun_s)


def work(job: Job) -> Done:
    """Compute a cell and keep it, in any process."""
    return attempt(job, lambda: write(job.path, compute(job.cell, data(job.root, job.names))))


def attempt(job: Job, run: Callable[[], None]) -> Done:
    """Run what computes and keeps a cell, in silence.

    Whatever goes wrong in one training is its fault alone, so that the others go on; wrong files stop the study.
    """
    job.path.parent.mkdir(parents=True, exist_ok=True)  # before a training that could not be kept
    silence = io.StringIO()
    try:
        with one_thread(), contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
            run()
    except (storage.ArtifactError, OSError):
        raise
    except InputError as error:
        return Done(job, str(error))
    except Exception as error:
        return Done(job, f"{type(error).__name__}: {error}")
    return Done(job, None)


@cache
def data(root: Path, names: tuple[str, ...]) -> Data:
    """Read some splits of a repository, once in a process; no file of another split is read."""
    return experiment.read(root, names)


def files(job: Job) -> Iterator[Path]:
    """List the files of the repository that a cell may read."""
    model = job.cell.content["model"]
    for name in (classes.PATH, classes.SUMS, clusters.PATH, clusters.SUMS, positive.PATH):
        yield job.root / name
    yield job.root / pretrained.path(model["weights"])
    for split in job.names:
        yield from (job.root / features.path(split)).iterdir()
        index = job.root / tiles.path(split) / tiles.INDEX
        yield from (index, job.root / tiles.sums_path(split))
        yield from tiles.read(job.root, split).shards if model["freeze"] != "backbone" else ()


def write(path: Path, tested: Tested) -> None:
    """Write what a cell found, whole or not at all."""
    arrays = {
        f"{view}.{what}": getattr(v, what) for view, v in tested.variants.items() for what in ("probs", "decided")
    }
    with storage.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, image_ids=tested.image_ids, val_loss=tested.val_loss, seconds=tested.seconds, **arrays)


def read(path: Path) -> Tested | None:
    """Read what a cell found; `None` if it is not there or damaged, so that it is computed."""

    def build(file: Mapping[str, Any]) -> Tested:
        variants = {view: Variant(file[f"{view}.probs"], file[f"{view}.decided"]) for view in VIEWS}
        return Tested(file["image_ids"], variants, float(file["val_loss"]), float(file["seconds"]))

    return loaded(path, build)


def loaded(path: Path, build: Callable[[Mapping[str, Any]], T]) -> T | None:
    """Build something from the arrays of a file; `None` if it is not there or damaged."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return build(file)
    except Exception:  # a flipped bit may make an archive look encrypted, of a later version, or like anything else
        return None


def key(cell: Cell, data: str) -> str:
    """Compute the name of a cell from all that decides it, but not from the name of its arm.

    Args:
        cell: The cell.
        data: Digest of the data.
    """
    loss = cell.content["loss"]
    decides = {
        "params": {name: cell.content[name] for name in READ},
        "loss": [loss, cell.content["losses"][loss]],
        "splits": sorted(cell.split_of.items()),
        "draws": cell.seed,
        "data": data,
        "code": keys.digest_of_code((*CODE, f"losses/{loss}.py"), PACKAGES),
    }
    return keys.digest(decides)


def digest_of_data(root: Path, names: Sequence[str]) -> str:
    """Hash the checksums of all files that cells read which use these splits."""
    found = [root / name for name in (classes.SUMS, clusters.SUMS)]
    found += [root / tiles.FOLDER / split / tiles.INDEX for split in names]
    found += [root / features.sums_path(split) for split in names]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in found)).hexdigest()
