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
from counterpoise.artifacts import clusters, draws, features, predictions, prior, tiles

ROOT = Path(__file__).resolve().parents[2]
NETWORKS = ("torch", "timm", "torchvision", "lightning_fabric", "albumentations", "cv2")
TABLES = ("pandas", "pyarrow", "scipy", "sklearn")
NAMES = ("plain", "solar")

MODULES = {
    "check": (*NETWORKS, *TABLES, "jinja2", "dvclive"),
    "split": (*NETWORKS, *TABLES),
    "oversample": (*NETWORKS, *TABLES),
    "embed": (*NETWORKS, *TABLES),
    "train": (*NETWORKS, *TABLES, "dvclive"),
    "predict": (*NETWORKS, *TABLES),
    "decide": (*NETWORKS, *TABLES),
    "evaluate": (*NETWORKS, *TABLES),
    "report": (*NETWORKS, *TABLES, "jinja2"),
}
"""For each stage, what importing it must not load; `check` imports all of them."""


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


@pytest.mark.parametrize("stage", MODULES)
def test_importing_a_stage_loads_nothing_that_its_parameters_do_not_need(stage: str) -> None:
    assert loaded(f"import counterpoise.stages.{stage}", MODULES[stage]) == []


def test_checking_loads_neither_torch_nor_tables(tmp_path: Path) -> None:
    shutil.copyfile(ROOT / config.PATH, tmp_path / config.PATH)
    code = "from pathlib import Path\nfrom counterpoise.stages import check\ncheck.main(Path.cwd())"
    assert loaded(code, (*NETWORKS, *TABLES, "jinja2", "dvclive"), tmp_path) == []


@pytest.mark.parametrize("arguments", [["params"], ["params", "train.epochs"]])
def test_explaining_parameters_loads_neither_torch_nor_tables(arguments: list[str]) -> None:
    code = f"from counterpoise.__main__ import main\nmain({arguments})"
    assert loaded(code, (*NETWORKS, *TABLES, "jinja2", "dvclive")) == []


def test_help_loads_no_arrays_either() -> None:
    code = "from counterpoise.__main__ import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    assert loaded(code, (*NETWORKS, *TABLES, "numpy", "jinja2", "dvclive")) == []


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Write what `train` and `predict` read, with features that the tests draw."""
    rng, buffer, ids = np.random.default_rng(0), io.BytesIO(), []
    Image.new("RGB", (4, 4)).save(buffer, format="PNG")
    for split in ("train", "val", "test"):
        own = [f"{split}{number:02d}" for number in range(20)]
        with tiles.writing(tmp_path, split) as append:
            for number, tile_id in enumerate(own):
                append(tiles.Tile(tile_id, tile_id, NAMES[number % 2], (0, 0, 4, 4), buffer.getvalue()))
        values = rng.normal(size=(20, 8)).astype(np.float32)
        features.write(tmp_path, split, features.Features(pd.DataFrame({"tile_id": own, "view": 0}), values))
        ids += own
    table = pd.DataFrame({"image_id": sorted(ids), "unit": sorted(ids), "centre": sorted(ids)})
    clusters.write(tmp_path, table.assign(kind="single", correlation=1.0))
    draws.write(tmp_path, pd.DataFrame({"tile_id": [f"train{number:02d}" for number in range(20)], "view": 0}))
    prior.write(tmp_path, prior.Prior("multiclass", NAMES, (30, 30), (10, 10), (10, 10), 60, 20, 20, ()))
    text = (ROOT / config.PATH).read_text(encoding="utf-8")
    assert "epochs: 60\n" in text
    (tmp_path / config.PATH).write_text(text.replace("epochs: 60\n", "epochs: 2\n"), encoding="utf-8")
    return tmp_path


def test_training_and_predicting_on_features_load_no_backbone_and_no_image_library(built: Path) -> None:
    beside_torch = tuple(name for name in NETWORKS if name != "torch")
    assert loaded(run("train"), (*beside_torch, "scipy", "sklearn", "jinja2"), built) == []
    assert loaded(run("predict"), (*beside_torch, "scipy", "sklearn", "jinja2", "dvclive"), built) == []
    assert len(predictions.read(built, "test").image_ids) == 20
