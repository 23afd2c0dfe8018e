"""Check the verdicts on the default data: an arm whose features are noise must be worse.

After `dvc repro`, `python benchmarks/noise_arm.py` trains the control of `study/params.yaml` on the folds of the study,
and again on independent standard normal features. Then it judges the second as the study would.
"""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from counterpoise import config
from counterpoise.engine.threads import one_thread
from counterpoise.study import arms, cells, comparison, experiment
from counterpoise.study.cells import Tested
from counterpoise.study.experiment import Data, Split
from counterpoise.study.verdicts import Verdict
from counterpoise.study.wording import sentence

SEED = 0
NAME = "noise"


def noise(data: Data) -> Data:
    """Replace all features by independent standard normal values."""
    rng = np.random.default_rng(SEED)

    def replaced(part: Split) -> Split:
        assert part.features is not None, "the default problem has a frozen backbone"
        values = rng.standard_normal(part.features.values.shape, dtype=np.float32)
        return replace(part, features=replace(part.features, values=values))

    return replace(data, splits={name: replaced(part) for name, part in data.splits.items()})


def main() -> None:
    """Print the verdict."""
    root = Path.cwd()
    content = config.load(root)
    plan = arms.read(root, content)
    control = next(arm for arm in plan.arms if arm.control is None)
    arm = replace(control, name=NAME, control=control.name)
    data = experiment.read(root, cells.SPLITS)
    images = comparison.images(data, content["task"])
    fold = comparison.assign(images, plan.study, content["task"])
    found: dict[tuple[str, int, int], Tested] = {}
    for own, source in ((control, data), (arm, noise(data))):
        listed = comparison.cells(images, fold, [own], plan.study)
        for cell in tqdm(listed, unit="training", desc=own.name, file=sys.stderr):
            with one_thread(), contextlib.redirect_stderr(io.StringIO()):
                found[own.name, cell.repeat, cell.fold] = cells.compute(cell, source)
    verdict = comparison.judge(images, fold, plan.study, found, arm, plan.comparisons)
    assert isinstance(verdict, Verdict), "the default data have enough images of the rarest class"
    print(f"{plan.study.figure}, {plan.study.view}: {NAME} minus {control.name}")
    print(f"{verdict.difference:.3f}, {sentence(verdict, plan.study.margin)}")


if __name__ == "__main__":
    main()
