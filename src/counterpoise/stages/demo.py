"""Write a demo data set from a pip package, or from random numbers.

Reads a pip package. Writes `data/demo/`. Whoever brings their own images sets `ingest.root` and `demo.name: none`.
"""

from __future__ import annotations

from pathlib import Path

from counterpoise import demos, storage
from counterpoise.config import PATH, InputError, Section
from counterpoise.demos import FOLDER, scenes
from counterpoise.stages import run

SHOWN = 3
"""Number of files that a refusal names."""


class Demo(Section):
    """Section `demo`."""

    name: str
    """Demo data set: `elpv`, solar cells (multiclass); `icons`, pictograms (multilabel); `scenes`, generated
    aerial scenes with boxes (detection); `none`, an empty folder."""
    scenes: scenes.Params
    """How the scenes of `scenes` are generated."""


class Params(Section):
    """What this stage reads."""

    demo: Demo


def main(root: Path, params: Params) -> None:
    """Write the folder again.

    Raises:
        InputError: It holds a file that no demo wrote, or there is no such demo. Nothing is deleted.
    """
    if foreign := demos.list_foreign(root / FOLDER):
        more = f" and {len(foreign) - SHOWN} more" if len(foreign) > SHOWN else ""
        raise InputError(
            f"{FOLDER} holds files that the demo did not write, or that were changed since: "
            f"{', '.join(foreign[:SHOWN])}{more}. Nothing was deleted. This folder is for the demo alone. Move your "
            f"files, for example to data/raw/mine; to use them, set ingest.root to that folder and demo.name to none "
            f"in {PATH}. Then run `dvc repro` again."
        )
    with storage.replacing(root / FOLDER, folder=True) as folder:
        if params.demo.name != "none":
            demos.write(params.demo.name, folder, dict(params.demo))
            demos.write_sums(folder)


if __name__ == "__main__":
    run(main, Params)
