"""What a stage must not load: each of these libraries costs a part of a second, or several, at every start."""

import io
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from counterpoise import config
from counterpoise.artifacts import classes, features, manifest, pixels, rejected, splits, thumbnails, tiles
from counterpoise.images import Pixels

ROOT = Path(__file__).resolve().parents[2]
NETWORKS = ("torch", "timm", "torchvision", "lightning_fabric", "albumentations", "cv2")
TABLES = ("pandas", "pyarrow", "scipy", "sklearn")
NAMES = ("plain", "solar")

MODULES = ("check", "split", "oversample", "embed", "train", "predict", "decide", "evaluate", "report")
"""Stages whose import must load none of `HEAVY`; `check` imports all of them."""
HEAVY = (*NETWORKS, *TABLES, "jinja2", "dvclive")


def loaded(code: str, names: Sequence[str], folder: Path = ROOT) -> list[str]:
    """List those of some modules that a new process has after running code in a folder."""
    lines = [code, "import sys", f"print('loaded:', *(name for name in {tuple(names)} if name in sys.modules))"]
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].removeprefix("loaded:").split()


def run(stage: str) -> str:
    """Write the code that runs a stage in the current folder."""
    lines = [
        "from pathlib import Path",
        "from counterpoise import config",
        f"from counterpoise.stages import {stage} as stage",
        "stage.main(Path.cwd(), config.read(Path.cwd(), stage.Params))",
    ]
    return "\n".join(lines)


def test_importing_a_stage_loads_nothing_that_its_parameters_do_not_need() -> None:
    """One process imports all of them; only where that loads anything, each is imported by its own, to name it."""
    lines = {stage: f"import counterpoise.stages.{stage}" for stage in MODULES}
    assert loaded("\n".join(lines.values()), HEAVY) == [], {name: loaded(line, HEAVY) for name, line in lines.items()}


def test_checking_loads_neither_torch_nor_tables(tmp_path: Path) -> None:
    shutil.copyfile(ROOT / config.PATH, tmp_path / config.PATH)
    code = "from pathlib import Path\nfrom counterpoise.stages import check\ncheck.main(Path.cwd())"
    assert loaded(code, HEAVY, tmp_path) == []


@pytest.mark.parametrize("arguments", [["params"], ["params", "train.epochs"]])
def test_explaining_parameters_loads_neither_torch_nor_tables(arguments: list[str]) -> None:
    code = f"from counterpoise.__main__ import main\nmain({arguments})"
    assert loaded(code, HEAVY) == []


def test_help_loads_no_arrays_either() -> None:
    code = "from counterpoise.__main__ import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    assert loaded(code, (*HEAVY, "numpy")) == []


SCIPY = ("scipy.stats", "scipy.optimize", "scipy.sparse")
RUNNING = {
    "split": (*NETWORKS, "sklearn", "scipy.stats", "scipy.optimize"),
    "oversample": (*NETWORKS, "sklearn", "scipy.stats", "scipy.optimize"),
    "train": (*NETWORKS[1:], "torch._dynamo", "sklearn", "scipy.stats", "jinja2"),
    "predict": (*NETWORKS[1:], "sklearn", "scipy", "jinja2", "dvclive"),
    "decide": (*NETWORKS, "sklearn", "scipy.stats", "pyarrow.dataset"),
    "evaluate": (*NETWORKS, "sklearn", *SCIPY, "pyarrow.dataset"),
    "report": (*NETWORKS, "sklearn", *SCIPY, "pyarrow.dataset"),
}
"""For each stage behind `ingest`, what running it must not load, where `train` and `predict` work on features."""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Write what `ingest` would leave of 90 images."""
    ids = [f"{number:02d}.png" for number in range(90)]
    table = pd.DataFrame({"image_id": ids, "path": ids, "labels": [NAMES[number % 2] for number in range(90)]})
    table = table.assign(raw_labels=table["labels"], group=ids, split="", width_px=4, height_px=4, sha256=ids)
    manifest.write(tmp_path, table[list(manifest.COLUMNS)])
    pictures = np.random.default_rng(0).integers(0, 256, (90, 32, 32)).astype(np.uint8)
    thumbnails.write(tmp_path, pictures)
    pixels.write(tmp_path, Pixels({}))
    classes.write(tmp_path, classes.Classes(NAMES, (45, 45), 90))
    rejected.write(tmp_path, pd.DataFrame(columns=list(rejected.COLUMNS), dtype=object))
    text = (ROOT / config.PATH).read_text(encoding="utf-8")
    for old, new in {"epochs: 60\n": "epochs: 2\n", "resamples: 1000\n": "resamples: 100\n"}.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / config.PATH).write_text(text, encoding="utf-8")
    return tmp_path


def tile_and_embed(root: Path) -> None:
    """Write a tile of each image, and features that have nothing to do with it."""
    rng, buffer, images = np.random.default_rng(0), io.BytesIO(), manifest.read(root).set_index("image_id")
    Image.new("RGB", (4, 4)).save(buffer, format="PNG")
    sides = splits.read(root)
    for split in splits.NAMES:
        own = sides.loc[sides["split"] == split, "image_id"].tolist()
        with tiles.writing(root, split) as append:
            for tile_id in own:
                append(tiles.Tile(tile_id, tile_id, images["labels"][tile_id], (0, 0, 4, 4), buffer.getvalue()))
        values = rng.normal(size=(len(own), 8)).astype(np.float32)
        features.write(root, split, features.Features(pd.DataFrame({"tile_id": own, "view": 0}), values))


def test_no_stage_loads_what_it_has_no_use_for_while_it_runs(repository: Path) -> None:
    found = {}
    for stage, names in RUNNING.items():
        if stage == "oversample":
            tile_and_embed(repository)
        found[stage] = loaded(run(stage), names, repository)
    assert found == {stage: [] for stage in RUNNING}
    assert (repository / "reports/index.html").exists()
