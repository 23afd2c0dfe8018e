"""How fast `counterpoise predict` is beside a bare loop over timm, and how much memory very many images take.

Run `python benchmarks/predicting.py` from the top of the repository. It downloads nothing and writes only to a
temporary folder.

1. Speed. Random pictures of 300 px, half JPEG and half PNG. `bare` is the loop that one writes by hand: Pillow decodes
   and resizes, a timm model computes batches of 64 at 160 px, softmax gives probabilities. `predict` is what the
   command does with the same network and the same weights, decisions and rows of the file included. Both run
   alternately; the first round warms up, and the median over the others of the ratio within a round is printed. The
   export of the graph is timed apart, as its time does not grow with the number of images.
2. Memory. A small network reads many small files, of which one in a hundred is broken, into a Parquet file. It runs in
   a process of its own, whose peak is printed after the first thousand images and at the end.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image

from counterpoise import config
from counterpoise.artifacts import decision, model
from counterpoise.commands import predict
from counterpoise.deployment.built import Built
from counterpoise.networks import devices, inference
from counterpoise.networks.backbones import build_backbone, normalisation, width
from counterpoise.networks.heads import build_head
from counterpoise.networks.network import Network, rebuild

CLASSES = ("common", "rare")
ROUNDS, BATCH_SIZE = 5, 64


def made(root: Path, backbone: str, input_px: int, device: str) -> Built:
    """Write a model with random weights, and return it with a decision by probabilities alone."""
    network = build_backbone(backbone, "none", 0)
    count = width(network, input_px)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = build_head("linear", count, 2, 0.0, seed=0)
        head[-1].weight.data.normal_(std=0.1)  # type: ignore[index]
    card = model.Card(
        task="multiclass",
        backbone=backbone,
        head="linear",
        dropout=0.0,
        input_px=input_px,
        frozen=False,
        backbone_weights="none",
        classes=CLASSES,
        loss="cross_entropy",
        ledger=(),
        pool="avg",
        hidden=0,
        width=count,
    )
    model.write(root, card, Network(network, head).state_dict())
    half, zero, one = (0.5, 0.5), (0.0, 0.0), (1.0, 1.0)
    decided = decision.Decision(
        task="multiclass",
        classes=CLASSES,
        positive="rare",
        positive_reason="",
        calibrator="temperature",
        pooled=(),
        scale=one,
        bias=zero,
        ledger=(),
        natural=half,
        seen=half,
        val=half,
        target=half,
        val_offset=zero,
        target_offset=zero,
        rule="most_probable",
        gain=((1.0, 0.0), (0.0, 1.0)),
        thresholds=(),
        at_least=0,
        val_images=(1, 1),
        val_total=2,
        val_decided=((1, 0, 0, 1),) * 2,
        val_raw=((1, 0, 0, 1),) * 2,
        val_decided_effects=one,
        val_raw_effects=one,
        prevalences=(),
    )
    content = config.load(Path(__file__).parents[1])
    content["tile"] = {"size_px": 512, "overlap_px": 64}
    content["model"] |= {"device": device, "precision": "float32"}
    content["predict"] |= {"batch_size": BATCH_SIZE, "tta": "none"}
    return Built(root, content, card, decided)


def write_images(folder: Path, count: int, side_px: int) -> list[Path]:
    """Write random pictures, half of them JPEG, that are smooth enough to have the size of photographs."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    paths = []
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (side_px // 8, side_px // 8, 3)).astype(np.uint8))
        path = folder / f"{number:06d}{'.jpg' if number % 2 else '.png'}"
        coarse.resize((side_px, side_px)).save(path)
        paths.append(path)
    return paths


@torch.inference_mode()
def bare(of: Built, network: torch.nn.Module, paths: list[Path]) -> np.ndarray[Any, Any]:
    """Predict as a loop by hand does."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in normalisation(of.card.backbone))
    device = next(network.parameters()).device
    probs = []
    for start in range(0, len(paths), BATCH_SIZE):
        batch = []
        for path in paths[start : start + BATCH_SIZE]:
            image = Image.open(path).convert("RGB").resize((of.card.input_px,) * 2, Image.Resampling.BICUBIC)
            values = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
            batch.append((values - mean) / std)
        probs.append(network(torch.stack(batch).to(device)).softmax(dim=1).cpu().numpy())
    return np.concatenate(probs)


def in_timm(of: Built) -> torch.nn.Module:
    """Build the same network in timm alone: its classifier takes the head's place."""
    weights = model.read_weights(of.root)
    network = timm.create_model(of.card.backbone, num_classes=len(CLASSES)).eval()
    own = {name.removeprefix("backbone."): value for name, value in weights.items() if name.startswith("backbone.")}
    network.load_state_dict(own, strict=False)
    return network.to(devices.pick_device(of.content["model"]["device"]))


def speed(count: int, backbone: str, input_px: int, device: str) -> None:
    """Print images per second of both, and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        of, paths = made(root, backbone, input_px, device), write_images(root / "images", count, 300)
        network, freeze = in_timm(of), inference.freeze
        start = time.perf_counter()
        graph = freeze(
            rebuild(of.card, model.read_weights(root)).backbone,  # type: ignore[arg-type]
            backbone,
            input_px,
            devices.pick(device, "float32"),
        )
        print(
            f"{torch.get_num_threads()} threads, {inference.runtime(graph)}, export {time.perf_counter() - start:.1f} s"
        )
        inference.freeze = lambda *_: graph
        speeds: dict[str, list[float]] = {"bare": [], "predict": []}
        for number in range(ROUNDS + 1):
            start = time.perf_counter()
            bare(of, network, paths)
            middle = time.perf_counter()
            predict.write_rows(of, predict.Paths([str(root / "images")]), "csv", root / f"{number}.csv")
            end = time.perf_counter()
            if number:
                speeds["bare"].append(count / (middle - start))
                speeds["predict"].append(count / (end - middle))
                print(
                    f"round {number}: " + ", ".join(f"{key} {values[-1]:.1f}" for key, values in speeds.items()),
                    flush=True,
                )
        inference.freeze = freeze
    ratio = statistics.median(ours / theirs for theirs, ours in zip(*speeds.values(), strict=True))
    for key, values in speeds.items():
        print(f"{key:10}{statistics.median(values):8.1f} images/s")
    print(f"ratio, median of {ROUNDS}: {ratio:.2f}")


def peak_mib() -> int:
    """Read the peak of this process's resident memory off Linux."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM:"))


def memory(count: int) -> None:
    """Print the peak of memory after a thousand images and at the end."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        of, originals = made(root, "test_efficientnet", 32, "cpu"), write_images(root / "few", 99, 64)
        (root / "few/broken.png").write_bytes(b"no image")
        originals.append(root / "few/broken.png")
        (root / "many").mkdir()
        for number in range(count):
            original = originals[number % len(originals)]
            os.link(original, root / "many" / f"{number:07d}{original.suffix}")
        few = sorted((root / "many").iterdir())[:1000]
        predict.write_rows(of, predict.Paths(list(map(str, few))), "parquet", root / "few.parquet")
        print(f"peak after {len(few)} images: {peak_mib()} MiB", flush=True)
        start = time.perf_counter()
        text, failed = predict.write_rows(of, predict.Paths([str(root / "many")]), "parquet", root / "many.parquet")
        seconds = time.perf_counter() - start
        print(f"{text.rpartition(': ')[2]}, {failed} of them broken, in {seconds:.0f} s; peak {peak_mib()} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=256, help="pictures of a round (default: 256)")
    parser.add_argument("--many", type=int, default=100_000, help="small files of the second part (default: 100000)")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0", help="a timm model; its weights are random")
    parser.add_argument("--input-px", type=int, default=160, help="side of the square that the network sees")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--memory-alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_alone:
        memory(arguments.many)
        return
    if arguments.images:
        speed(arguments.images, arguments.backbone, arguments.input_px, arguments.device)
    if arguments.many:
        subprocess.run([sys.executable, __file__, "--memory-alone", "--many", str(arguments.many)], check=True)


if __name__ == "__main__":
    main()
