"""`results/train/`: what DVCLive wrote while training.

`plots/metrics/**/<figure>.tsv` has one row per epoch, `metrics.json` the last figures and the best epoch, from 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise import storage

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "results/train"
SUMS = f"{FOLDER}/train.sums"
CURVES = "plots/metrics/"


def write(root: Path, history: Sequence[Mapping[str, float]], summary: Mapping[str, float]) -> None:
    """Write the training curves.

    Args:
        root: The repository.
        history: For each epoch, its figures, such as `val/loss`.
        summary: What is stored beside the last figures, such as `best_epoch`.
    """
    from dvclive.live import Live

    with (
        storage.replacing(root / FOLDER, folder=True, sums=root / SUMS) as folder,
        Live(str(folder), dvcyaml=None, save_dvc_exp=False, report=None) as live,
    ):
        for figures in history:
            for name, value in figures.items():
                live.log_metric(name, value)
            live.next_step()
        live.summary.update(summary)


def read(root: Path) -> pd.DataFrame:
    """Read the training curves.

    Returns:
        One row per epoch (`step`, from 0), one column per figure, such as `train/loss` and `val/loss`.

    Raises:
        storage.ArtifactError: There are no curves, or one is damaged.
    """
    import pandas as pd

    folder, curves = root / FOLDER, []
    there = {file.relative_to(folder).as_posix() for file in folder.rglob("*.tsv")}
    for listed in sorted(there.union(storage.names_in(root / SUMS))):
        if not listed.startswith(CURVES):
            continue
        file = storage.verified(folder / listed, root / SUMS)
        name = listed.removeprefix(CURVES).removesuffix(".tsv")
        try:
            curve = pd.read_csv(file, sep="\t")
            curves.append(curve.set_index("step").rename(columns={curve.columns[-1]: name})[[name]])
        except (KeyError, ValueError) as error:
            raise storage.ArtifactError(f"{file} is no training curve: {error!r}; run `dvc repro`") from error
    if not curves:
        raise storage.ArtifactError(f"{FOLDER} holds no training curves; run `dvc repro`")
    return pd.concat(curves, axis=1).sort_index().reset_index()


def best_epoch(root: Path) -> int | None:
    """Read which epoch was kept, from 0; `None` where training does not say.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    content = storage.read_json(root / FOLDER / "metrics.json", root / SUMS)
    epoch = content.get("best_epoch") if isinstance(content, dict) else content
    if epoch is not None and not isinstance(epoch, int):
        raise storage.ArtifactError(f"{FOLDER}/metrics.json: best_epoch is {epoch!r}; run `dvc repro`")
    return epoch
