"""`results/train/`: what DVCLive wrote while training; `plots/metrics/**/<figure>.tsv`, one row per epoch."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from counterpoise import storage

FOLDER = "results/train"


def read(root: Path) -> pd.DataFrame:
    """Read the training curves.

    Returns:
        One row per epoch (`step`, from 0), one column per figure, such as `train/loss` and `val/loss`.

    Raises:
        storage.ArtifactError: There are no curves, or one is damaged.
    """
    folder = root / FOLDER / "plots" / "metrics"
    curves = []
    for file in sorted(folder.rglob("*.tsv")):
        name = file.relative_to(folder).with_suffix("").as_posix()
        try:
            curve = pd.read_csv(file, sep="\t")
            curves.append(curve.set_index("step").rename(columns={curve.columns[-1]: name})[[name]])
        except (KeyError, ValueError) as error:
            raise storage.ArtifactError(f"{FOLDER}: {file.name} is no training curve: {error!r}") from error
    if not curves:
        raise storage.ArtifactError(f"{FOLDER} holds no training curves; run `dvc repro`")
    return pd.concat(curves, axis=1).sort_index().reset_index()
