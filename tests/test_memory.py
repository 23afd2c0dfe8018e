"""What a training on 100,000 tiles holds in memory; `pytest -m slow -s tests/test_memory.py` prints it."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from counterpoise import config
from counterpoise.artifacts import draws, features, pixels, prior, tiles, training
from counterpoise.images import Pixels

COUNTS = {"train": 100_000, "val": 2_000}
CLASSES = ("a", "b", "c", "d")
LIMIT_BYTES = 2 * 2**30


def some_pictures(count: int) -> list[bytes]:
    rng = np.random.default_rng(0)
    encoded = []
    for number in range(count):
        pixels = rng.integers(0, 90, size=(32, 32, 3), dtype=np.uint8)
        row, column = divmod(number % 4, 2)
        pixels[16 * row : 16 * row + 16, 16 * column : 16 * column + 16] += 150
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="PNG")
        encoded.append(buffer.getvalue())
    return encoded


def a_large_repository(root: Path) -> None:
    """Write what the stage reads: few pictures, many times over."""
    pictures = some_pictures(64)
    for split, count in COUNTS.items():
        with tiles.writing(root, split, shard_bytes=2**26) as append:
            for number in range(count):
                tile_id = f"roofs/site{number % 100:03d}/{split}{number:06d}.png"
                data = pictures[number % len(pictures)]
                append(tiles.Tile(tile_id, tile_id, CLASSES[number % 4], (0, 0, 32, 32), data))
        features.write(root, split, None)
    ids = sorted(tiles.read(root, "train").table["tile_id"])
    draws.write(root, pd.DataFrame({"tile_id": ids, "view": np.zeros(len(ids), dtype=np.int64)}))
    even = (COUNTS["train"] // 4,) * 4
    pixels.write(root, Pixels())
    prior.write(root, prior.Prior("multiclass", CLASSES, even, even, even, *3 * (COUNTS["train"],), ()))
    content: dict[str, Any] = config.load(Path(__file__).parents[1])
    content["model"] |= {"backbone": "test_efficientnet", "weights": "none", "freeze": "none", "input_px": 32}
    content["train"] |= {"solver": "adamw", "epochs": 1, "batch_size": 256, "augment": "flips"}
    (root / config.PATH).write_text(yaml.safe_dump(content))


def resident_bytes(process: int) -> int:
    """Add up what a process and its children hold, a page that several share once: `Pss` of Linux."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        children = Path(f"/proc/{process}/task/{process}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return 0
    own = sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    return own + sum(resident_bytes(int(child)) for child in children.split())


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory of a process tree is read off /proc")
def test_training_on_100_000_tiles_holds_at_most_two_gibibytes(tmp_path: Path) -> None:
    a_large_repository(tmp_path)
    log = tmp_path / "log"
    began, peak = time.monotonic(), 0
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "counterpoise.stages.train"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        while process.poll() is None:
            peak = max(peak, resident_bytes(process.pid))
            time.sleep(1)  # to look costs the system time, too
    assert process.returncode == 0, log.read_text()
    assert training.read(tmp_path)["train/loss"].tolist()[0] < 1
    seconds = time.monotonic() - began
    print(f"\n{COUNTS['train']:,} tiles: at most {peak / 2**30:.2f} GiB in all processes, {seconds:.0f} s")
    assert 2**28 < peak <= LIMIT_BYTES
