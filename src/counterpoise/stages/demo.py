"""Write a demo data set from a pip package.

Reads a pip package. Writes `data/raw/demo/`. To use your own images, set `ingest.root` and `demo.name: none`, or delete
this stage.
"""

from __future__ import annotations

from pathlib import Path

from counterpoise import demos, storage
from counterpoise.config import Section
from counterpoise.stages import run

FOLDER = "data/raw/demo"


class Demo(Section):
    """Section `demo`."""

    name: str
    """Demo data set: `elpv`, solar cells (multiclass); `icons`, pictograms (multilabel); `none`, an empty folder."""


class Params(Section):
    """What this stage reads."""

    demo: Demo


def main(root: Path, params: Params) -> None:
    """Write the folder, in place of an old one."""
    with storage.replacing(root / FOLDER, folder=True) as folder:
        if params.demo.name != "none":
            demos.find(params.demo.name).write(folder)


if __name__ == "__main__":
    run(main, Params)
