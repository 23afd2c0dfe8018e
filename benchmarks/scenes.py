"""Seconds and peak memory of `ingest`, `split` and `tile` on scenes of 30,000 x 30,000 px, each stage in its process.

Run `python benchmarks/scenes.py [JPEG PNG TIFF GEOTIFF ...] [SIDE]`. It writes three scenes of each kind to a temporary
folder (some GB), so that several could be read at a time, and prints for each stage the peak of resident memory.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SIDE = 30_000
SCENES = 2
STAGES = ("ingest", "split", "tile")


def write_scene(path: Path, kind: str, side: int, seed: int) -> None:
    """Write a scene of smooth random colours and noise, strip by strip."""
    import pyvips

    noise = pyvips.Image.gaussnoise(side, side, sigma=6, mean=0, seed=seed)
    waves = pyvips.Image.sines(side, side, hfreq=9 + seed, vfreq=5) * 90 + 128
    bands = [(waves + noise).cast("uchar"), (waves * 0.7 + noise).cast("uchar"), (noise + 99).cast("uchar")]
    image = bands[0].bandjoin(bands[1:]).copy(interpretation="srgb")
    if kind == "JPEG":
        image.jpegsave(str(path), Q=90)
    elif kind == "PNG":
        image.pngsave(str(path), compression=1)
    elif kind == "TIFF":
        image.tiffsave(str(path), compression="lzw", bigtiff=True)
    else:
        write_geotiff(path, side, seed)


def write_geotiff(path: Path, side: int, seed: int) -> None:
    """Write 16 bits in four bands with a nodata value, in tiles."""
    import rasterio
    from rasterio.transform import from_origin
    from rasterio.windows import Window

    rng = np.random.default_rng(seed)
    options = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "zlevel": 1}
    place = {"crs": "EPSG:32633", "transform": from_origin(5e5, 5e6, 0.1, 0.1), "nodata": 0}
    with rasterio.open(path, "w", "GTiff", side, side, 4, dtype="uint16", BIGTIFF="YES", **place, **options) as file:
        for y in range(0, side, 512):
            rows = min(512, side - y)
            block = rng.integers(1, 4096, (4, rows // 8 + 1, side // 8 + 1), dtype=np.uint16)
            block = block.repeat(8, axis=1).repeat(8, axis=2)[:, :rows, :side]
            file.write(block, window=Window(0, y, side, rows))


def run_stage(root: Path, stage: str) -> tuple[float, float]:
    """Run one stage in a process of its own; return seconds and the peak of resident memory in MiB."""
    code = (
        f"from counterpoise.stages import run; from counterpoise.stages.{stage} import main, Params; run(main, Params)"
    )
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10


def measure(kind: str, side: int, stage: str, root: Path) -> None:
    """Print one line: what a stage takes."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import scenes, json; from pathlib import Path"
    )
    code += f"; print(json.dumps(scenes.run_stage(Path({str(root)!r}), {stage!r})))"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    seconds, peak = json.loads(answer)
    print(f"{kind:8s} {side} px  {stage:7s} {seconds:7.1f} s  {peak:6.0f} MiB", flush=True)


def main() -> None:
    """Write scenes of each kind, and measure the stages."""
    kinds = [word for word in sys.argv[1:] if not word.isdigit()] or ["JPEG", "PNG", "TIFF", "GEOTIFF"]
    side = next((int(word) for word in sys.argv[1:] if word.isdigit()), SIDE)
    params = (Path(__file__).parents[1] / "params.yaml").read_text(encoding="utf-8")
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "data/demo").mkdir(parents=True)
            quick = params.replace("format: png", "format: jpeg").replace("min_images: 2", "min_images: 1")
            (root / "params.yaml").write_text(quick, encoding="utf-8")
            names = [f"{number}.{kind.lower()[-4:]}" for number in range(SCENES)]
            for number, name in enumerate(names):
                write_scene(root / "data/demo" / name, kind, side, number)
            small = [f"small{number}.png" for number in range(10)]
            for number, name in enumerate(small):
                write_scene(root / "data/demo" / name, "PNG", 600, 50 + 7 * number)
            rows = [f"{name},{'ab'[number % 2]}" for number, name in enumerate([*names, *small])]
            (root / "data/demo/labels.csv").write_text("\n".join(["image,label", *rows, ""]), encoding="utf-8")
            for stage in STAGES:
                measure(kind, side, stage, root)


if __name__ == "__main__":
    main()
