"""What does a GPU bring? Images per second and memory of training and predicting beside timm, and two pipelines.

Run `python benchmarks/gpu.py` from the top of the repository, on a machine with CUDA; `--device cpu --quick` runs the
same code on small sizes and networks, which takes less than a minute and shows that it works: its figures mean nothing.
It downloads nothing and writes to temporary folders alone. Printed are the names of device and libraries, then

- a row for each backbone, precision and loop: images per second of training and of predicting, the median over rounds
  after one that is not counted, and the most memory of the GPU that tensors took meanwhile. Networks begin with random
  weights, are trained whole with AdamW and flips, and decode tiles in worker processes, as `benchmarks/training.py`
  describes; `timm` predicts as its `inference.py` does. An epoch of training keeps its workers, a pass of predicting
  starts its own;
- of the stages that a network takes part in, and of all stages from `demo` to `report`, the seconds that they take in
  one process, without its start: for the default problem (`params.yaml`), and for a fine-tuning (`presets/marks.yaml`),
  each with as many epochs as are stated. They need the packages of the extra `demo`. With `--quick` both learn from
  pictures that this script draws, in their place.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
import yaml
from PIL import Image
from torch import nn
from tqdm import tqdm

import training
from counterpoise import config
from counterpoise.artifacts import model, tiles
from counterpoise.dataset.inputs import workers_count
from counterpoise.networks.devices import pick_device
from counterpoise.study import experiment
from training import CLASSES, Loop, Setup

PRECISIONS = ("float32", "bfloat16", "float16")
STAGES = ("demo", "ingest", "split", "tile", "oversample", "embed", "train", "predict", "decide", "evaluate", "report")
SHOWN = ("embed", "train", "predict")
FILES = {"default problem": "params.yaml", "fine-tuning": "presets/marks.yaml"}
QUICK_IMAGES = {"dark": 40, "grey": 30, "bright": 20}
"""What the pipelines learn from instead of a demo set, in quick mode: pictures for each class."""


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        setup: Of the loops.
        backbones: Of the loops.
        rounds: Passes that count.
        epochs: For each of `FILES`, epochs of its training.
        changes: Parameters of both pipelines that differ from the files, by dotted name.
    """

    setup: Setup
    backbones: tuple[str, ...]
    rounds: int
    epochs: Mapping[str, int]
    changes: Mapping[str, Any]


FULL = Plan(
    Setup(tiles=4096, tile_px=256, input_px=224, batch_size=128, device="cuda"),
    training.BACKBONES,
    rounds=5,
    epochs={"default problem": 60, "fine-tuning": 2},
    changes={},
)
QUICK = Plan(
    Setup(tiles=16, tile_px=64, input_px=32, batch_size=8, device="cuda"),
    ("test_efficientnet", "test_resnet"),
    rounds=1,
    epochs={"default problem": 3, "fine-tuning": 1},
    changes={
        "demo.name": "none",
        "ingest.root": "data/raw/own",
        "ingest.source": "folder",
        "ingest.exclude": [],
        "ingest.merge": {},
        "model.input_px": 32,
    },
)


def predicting(root: Path, backbone: str, precision: str, setup: Setup) -> Loop:
    """Prepare our own pass over the tiles of train, through the code of the stage `predict`."""
    content = experiment.changed(
        config.load(Path.cwd()),
        {"model.device": setup.device, "model.precision": precision, "predict.batch_size": setup.batch_size},
    )
    card = model.Card(
        task="multiclass",
        backbone=backbone,
        head="linear",
        dropout=0.0,
        input_px=setup.input_px,
        frozen=False,
        backbone_weights="none",
        classes=tuple(f"class{number}" for number in range(CLASSES)),
        loss="cross_entropy",
        ledger=(),
        pool="avg",
        hidden=1,
        width=1,
    )
    split = experiment.Split(tiles.read(root, "train"), None)

    def loop(network: nn.Module) -> float:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        start_s = time.perf_counter()
        experiment.apply(content, card, [network], split)
        return time.perf_counter() - start_s

    return loop


def predicting_of_timm(root: Path, setup: Setup, precision: torch.dtype) -> Loop:
    """Prepare the pass of timm's `inference.py`."""
    from timm.data import create_dataset, create_loader

    device = torch.device(setup.device)

    def loop(network: nn.Module) -> float:
        network.to(device, memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        start_s = time.perf_counter()
        loader = create_loader(
            create_dataset("", root=str(root / "folders")),
            input_size=(3, setup.input_px, setup.input_px),
            batch_size=setup.batch_size,
            interpolation="bicubic",
            crop_pct=1.0,
            num_workers=workers_count(),
            device=device,
        )
        network.eval()
        logits = []
        with torch.inference_mode(), torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32):
            for inputs, _ in loader:
                logits.append(network(inputs).float().cpu())
        torch.cat(logits).numpy()
        return time.perf_counter() - start_s

    return loop


def loops_of(root: Path, backbone: str, name: str, setup: Setup) -> tuple[dict[tuple[str, str], Loop], nn.Module]:
    """Prepare every loop of a backbone and a precision, and the network that they share."""
    precision: torch.dtype = getattr(torch, name)
    params = training.settings(backbone, name, setup)
    loops = {
        ("ours", "train"): training.ours(root, params, []),
        ("ours", "predict"): predicting(root, backbone, name, setup),
        ("timm", "train"): training.of_timm(root, setup, precision),
        ("timm", "predict"): predicting_of_timm(root, setup, precision),
    }
    return loops, training.build(params.model, params.train.seed, CLASSES, None)


def peak_bytes(device: torch.device, run: Callable[[], float]) -> tuple[float, int]:
    """Run something; return its seconds, and the most memory of the GPU meanwhile, 0 where there is none."""
    if device.type != "cuda":
        return run(), 0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return run(), torch.cuda.max_memory_allocated(device)


def measure(root: Path, backbone: str, precision: str, plan: Plan, progress: tqdm[Any]) -> None:
    """Print a row for each loop of a backbone and a precision."""
    loops, network = loops_of(root, backbone, precision, plan.setup)
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    device = torch.device(plan.setup.device)
    results: dict[tuple[str, str], list[tuple[float, int]]] = {key: [] for key in loops}
    for number in range(plan.rounds + 1):
        for key, loop in loops.items():
            network.load_state_dict(weights)
            seconds, taken = peak_bytes(device, lambda loop=loop: loop(network))  # type: ignore[misc]
            if number:
                results[key].append((plan.setup.tiles / seconds, taken))
            progress.update()
    for name in ("ours", "timm"):
        cells = []
        for kind in ("train", "predict"):
            rates, taken_bytes = zip(*results[name, kind], strict=True)
            memory = f"{max(taken_bytes) / 2**20:8.0f} MB" if device.type == "cuda" else f"{'-':>11s}"
            cells.append(f"{statistics.median(rates):10.1f} /s {memory}")
        print(f"{backbone:22s} {precision:9s} {name:5s} {'  '.join(cells)}", flush=True)


def draw_images(folder: Path) -> None:
    """Draw a few pictures of each class, darker and brighter ones."""
    for level, (name, count) in enumerate(QUICK_IMAGES.items()):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.random.default_rng((level, number)).integers(60 * level, 60 * level + 80, (48, 48, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number:03d}.png")


def run_pipeline(content: Mapping[str, Any]) -> dict[str, float]:
    """Run the stages one after the other in a temporary folder: seconds of each."""
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if content["demo"]["name"] == "none":
            draw_images(root / content["ingest"]["root"])
        (root / config.PATH).write_text(yaml.safe_dump(dict(content), sort_keys=False))
        for stage in STAGES:
            module = importlib.import_module(f"counterpoise.stages.{stage}")
            params = config.read(root, module.Params)
            start_s = time.perf_counter()
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                module.main(root, params)
            seconds[stage] = time.perf_counter() - start_s
    return seconds


def measure_pipelines(plan: Plan) -> None:
    """Print a row for each pipeline."""
    print(f"\n{'pipeline':34s} {'epochs':>6s} " + " ".join(f"{name:>9s}" for name in (*SHOWN, "all")))
    for name, file in FILES.items():
        content = config.parse((Path.cwd() / file).read_text(encoding="utf-8"))
        changes = {"model.device": plan.setup.device, "train.epochs": plan.epochs[name], **plan.changes}
        seconds = run_pipeline(experiment.changed(content, changes))
        cells = [*(seconds[stage] for stage in SHOWN), sum(seconds.values())]
        print(f"{f'{name} ({file})':34s} {plan.epochs[name]:6d} " + " ".join(f"{s:7.1f} s" for s in cells), flush=True)


def main() -> None:
    """Measure the loops, then the pipelines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that the script works")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        sys.exit("this machine, or this build of PyTorch, has no CUDA; `--device cpu --quick` tries the script without")
    plan = QUICK if arguments.quick else FULL
    plan = replace(plan, setup=replace(plan.setup, device=arguments.device))
    setup, device = plan.setup, pick_device(arguments.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(f"{name}, {workers_count()} workers; torch {torch.__version__}, timm {timm.__version__}")
    print(
        f"{setup.tiles} tiles of {setup.tile_px} px to {setup.input_px} px, batches of {setup.batch_size}, medians of "
        f"{plan.rounds} rounds\n{'backbone':22s} {'precision':9s} {'loop':5s} {'train':>25s}  {'predict':>25s}"
    )
    total = 4 * (plan.rounds + 1) * len(plan.backbones) * len(PRECISIONS)
    with tempfile.TemporaryDirectory() as folder, tqdm(total=total, unit="pass", file=sys.stderr) as progress:
        training.write_tiles(Path(folder), setup)
        for backbone in plan.backbones:
            for precision in PRECISIONS:
                measure(Path(folder), backbone, precision, plan, progress)
    measure_pipelines(plan)


if __name__ == "__main__":
    main()
