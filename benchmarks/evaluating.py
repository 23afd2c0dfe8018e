"""How long does `evaluate` take for many test images, and how much memory?

From the top of the repository, `python benchmarks/evaluating.py` scores 1,000,000 made-up test images of ten classes,
in units of one image and in units of ten, in a temporary folder, and prints time and peak memory of the stage.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from counterpoise import config
from counterpoise.artifacts import decision, predictions, prior
from counterpoise.artifacts.positive import Positive
from counterpoise.stages import decide

CLASSES = 10
SHARES = np.array([0.5**k for k in range(1, CLASSES)] + [0.5 ** (CLASSES - 1)])
VALIDATION = 20_000


def made_up(images: int, per_unit: int, seed: int) -> predictions.Predictions:
    """Draw logits of images that a model tells apart fairly well."""
    rng = np.random.default_rng(seed)
    targets = rng.choice(CLASSES, size=images, p=SHARES)
    logits = rng.normal(size=(images, CLASSES)) + 2.5 * np.eye(CLASSES)[targets] + np.log(SHARES)
    names = tuple(f"class{index}" for index in range(CLASSES))
    ids = tuple(f"image{number:07d}" for number in range(images))
    units = tuple(ids[number - number % per_unit] for number in range(images))
    return predictions.Predictions(ids, units, tuple(names[k] for k in targets), names, logits.astype(np.float32))


def prepare(root: Path, images: int, per_unit: int) -> None:
    """Write what the stage reads."""
    shutil.copy("params.yaml", root / "params.yaml")
    content = config.load(root)
    val = made_up(VALIDATION, 1, seed=1)
    counts = tuple(val.labels.count(name) for name in val.classes)
    learned = prior.Prior("multiclass", val.classes, counts, counts, counts, VALIDATION, VALIDATION, VALIDATION, ())
    asked = decide.Matters(Positive(val.classes[-1], "as the rarest class"), content["evaluate"]["at_prevalence"])
    settings = decide.Decide.model_validate(content["decide"])
    decision.write(root, decide.choose(val, learned, (), settings, asked))
    predictions.write(root, "test", made_up(images, per_unit, seed=0))


def main(arguments: list[str]) -> None:
    """Print a line for each size of units."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_000_000)
    asked = parser.parse_args(arguments)
    for per_unit in (1, 10):
        with tempfile.TemporaryDirectory() as folder:
            prepare(Path(folder), asked.images, per_unit)
            start = time.perf_counter()
            command = [sys.executable, "-m", "counterpoise.stages.evaluate"]
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
            seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        print(
            f"{asked.images:,} images, {CLASSES} classes, {per_unit} per unit: {seconds:.1f} s, {peak:.2f} GiB at most"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
