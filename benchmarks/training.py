"""How many images per second does fine-tuning take in, beside the training loops of timm and torchvision?

Run `python benchmarks/training.py` from the top of the repository; it takes some minutes on the CPU, downloads nothing,
and writes to a temporary folder alone: 512 tiles of 256 px that it draws itself, half JPEG and half PNG. Three loops
train the same network object, from the same weights, with AdamW, on batches of 32 at 128 px, with as many worker
processes and torch threads:

- `ours`: `loop.fit` on `TileInputs`, augmentation `flips`, with the validation (8 tiles) that belongs to it;
- `timm`: what its `train.py` does, whose file does not come with the wheel: the same order of operations, made of
  timm's own `create_dataset`, `create_loader` (the whole picture resized, flips, batches normalised by its prefetcher,
  persistent workers), `create_optimizer_v2`, `create_scheduler_v2` and `AverageMeter`;
- `torchvision`: what `references/classification/train.py` does, which is in no wheel either: `ImageFolder`, a random
  crop resized, a flip, a `DataLoader` with workers, AdamW, top-1 and top-5 accuracy and the loss logged at every step.

Beside them `bfloat16`, which is ours with `model.precision: bfloat16`: CPUs that have instructions for it (AVX512-BF16,
AMX) gain by it, others lose.

Each keeps the memory format of its makers: channels last for ours, channels first, which is their default, for the
others. Rounds of one epoch alternate, after one that is not counted, in which processes start and caches fill. Printed
are medians of images per second, the median over rounds of our ratio to each, and the share of the time in which our
loop waited for its loader. Others that use the machine at the time make single rounds noisy; ratios within a round
less so.
"""

from __future__ import annotations

import argparse
import copy
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from tqdm import tqdm

from counterpoise import config
from counterpoise.artifacts import tiles
from counterpoise.dataset.inputs import TileInputs, workers_count
from counterpoise.networks import devices
from counterpoise.stages.train import Params
from counterpoise.training import objective
from counterpoise.training.curriculum import Curriculum
from counterpoise.training.examples import Examples
from counterpoise.training.loop import fit
from counterpoise.training.members import build

BACKBONES = ("tf_efficientnet_lite0", "resnet18")
CLASSES, VAL_TILES = 8, 8
RATE, DECAY = 1e-4, 0.05
Loop = Callable[[nn.Module], float]
"""Trains a network for one epoch and returns the seconds that it took."""


@dataclass(frozen=True)
class Setup:
    """What the loops train on, and where.

    Attributes:
        tiles: Of train.
        tile_px: Side of a tile.
        input_px: Side of what the network sees.
        batch_size: Tiles in a step.
        device: `cpu` or `cuda`.
    """

    tiles: int = 512
    tile_px: int = 256
    input_px: int = 128
    batch_size: int = 32
    device: str = "cpu"


def a_picture(number: int, kind: str, side_px: int) -> bytes:
    """Draw something between a photograph and noise: blurred noise, encoded."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, size=(side_px // 8, side_px // 8, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((side_px, side_px), Image.Resampling.BICUBIC)).astype(np.int16)
    noise = rng.integers(-12, 13, size=smooth.shape)
    buffer = io.BytesIO()
    Image.fromarray((smooth + noise).clip(0, 255).astype(np.uint8)).save(buffer, format=kind)
    return buffer.getvalue()


def write_tiles(root: Path, setup: Setup) -> None:
    """Write the same pictures as shards, which ours reads, and as a folder per class, which the others read."""
    for split, count in (("train", setup.tiles), ("val", VAL_TILES)):
        with tiles.writing(root, split) as append:
            for number in range(count):
                kind, label = ("JPEG", "PNG")[number // CLASSES % 2], f"class{number % CLASSES}"
                data, tile_id = a_picture(number, kind, setup.tile_px), f"{split}{number:05d}"
                append(tiles.Tile(tile_id, tile_id, label, (0, 0, setup.tile_px, setup.tile_px), data))
                if split == "train":
                    file = root / "folders" / label / f"{tile_id}.{kind.lower()}"
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(data)


def settings(backbone: str, precision: str, setup: Setup) -> Params:
    """Take the parameters as they ship, but for what is measured."""
    content: dict[str, Any] = copy.deepcopy(config.load(Path(__file__).parents[1]))
    content["model"] |= {"backbone": backbone, "weights": "none", "freeze": "none", "input_px": setup.input_px}
    content["model"] |= {"device": setup.device, "precision": precision}
    content["train"] |= {"epochs": 1, "batch_size": setup.batch_size, "augment": "flips", "learning_rate": RATE}
    content["train"] |= {"solver": "adamw", "weight_decay": DECAY, "warmup_epochs": 0.0, "schedule": "constant"}
    return config.validate(Params, {name: content[name] for name in Params.model_fields})


def ours(root: Path, params: Params, shares: list[float]) -> Loop:
    """Prepare our own loop."""

    def examples(split: str, augment: str) -> Examples:
        part = tiles.read(root, split)
        count = len(part.table)
        inputs = TileInputs(
            tiles=part,
            rows=np.arange(count),
            views=np.zeros(count, dtype=np.int64),
            input_px=params.model.input_px,
            policy="none",
            seed=0,
            on_the_fly=augment,
            backbone=params.model.backbone,
        )
        return Examples(inputs, torch.arange(count) % CLASSES)

    compute = devices.pick(params.model.device, params.model.precision)
    train, val = examples("train", params.train.augment), examples("val", "none")
    goal = objective.Objective(
        lambda logits, targets: nn.functional.cross_entropy(logits, targets, reduction="none"),
        torch.ones(CLASSES),
        "multiclass",
    )

    def loop(network: nn.Module) -> float:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        start = time.perf_counter()
        fitted = fit(network, Curriculum(train, goal), val, params.train, compute)
        shares.append(getattr(fitted, "waited_frac", float("nan")))
        return time.perf_counter() - start

    return loop


def of_timm(root: Path, setup: Setup, precision: torch.dtype = torch.float32) -> Loop:
    """Prepare the loop of timm's `train.py`, whose `train_one_epoch` this follows line by line."""
    from timm.data import create_dataset, create_loader
    from timm.optim import create_optimizer_v2
    from timm.scheduler import create_scheduler_v2
    from timm.utils import AverageMeter, NativeScaler

    device = torch.device(setup.device)
    scaler = NativeScaler(device=device.type) if precision == torch.float16 else None
    dataset = create_dataset("", root=str(root / "folders"), is_training=True)
    loader = create_loader(
        dataset,
        input_size=(3, setup.input_px, setup.input_px),
        batch_size=setup.batch_size,
        is_training=True,
        scale=(1.0, 1.0),
        ratio=(1.0, 1.0),
        vflip=0.5,
        color_jitter=0.0,
        interpolation="bicubic",
        num_workers=workers_count(),
        device=device,
    )

    def loop(network: nn.Module) -> float:
        network.to(device, memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        optimizer = create_optimizer_v2(network, opt="adamw", lr=RATE, weight_decay=DECAY)
        scheduler, _ = create_scheduler_v2(optimizer, num_epochs=1, updates_per_epoch=len(loader))
        loss_fn = nn.CrossEntropyLoss()
        start = step_start = time.perf_counter()
        update_time_m, data_time_m, losses_m = AverageMeter(), AverageMeter(), AverageMeter()
        network.train()
        optimizer.zero_grad()
        for update, (inputs, target) in enumerate(loader):
            data_time_m.update(time.perf_counter() - step_start)
            with torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32):
                loss = loss_fn(network(inputs), target)
            if scaler is None:
                loss.backward()
                optimizer.step()
            else:
                scaler(loss, optimizer)
            losses_m.update(loss.item(), len(inputs))
            optimizer.zero_grad()
            update_time_m.update(time.perf_counter() - step_start)
            if scheduler is not None:
                scheduler.step_update(num_updates=update + 1, metric=losses_m.avg)
            step_start = time.perf_counter()
        return time.perf_counter() - start

    return loop


def of_torchvision(root: Path, setup: Setup) -> Loop:
    """Prepare the loop of torchvision's reference: `presets.ClassificationPresetTrain` and `train_one_epoch`."""
    from torch.utils.data import DataLoader, RandomSampler
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    preset = v2.Compose(
        [
            v2.RandomResizedCrop(setup.input_px, interpolation=v2.InterpolationMode.BILINEAR, antialias=True),
            v2.RandomHorizontalFlip(0.5),
            v2.PILToTensor(),
            v2.ToDtype(torch.float, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            v2.ToPureTensor(),
        ]
    )
    dataset = ImageFolder(str(root / "folders"), preset)
    sampler = RandomSampler(dataset)
    loader = DataLoader(dataset, batch_size=setup.batch_size, sampler=sampler, num_workers=workers_count())

    def loop(network: nn.Module) -> float:
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
        criterion = nn.CrossEntropyLoss()
        logged: dict[str, list[float]] = {name: [] for name in ("loss", "lr", "acc1", "acc5", "img/s")}
        start = time.perf_counter()
        network.train()
        for image, target in loader:
            step_start = time.perf_counter()
            output = network(image)
            loss = criterion(output, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.inference_mode():
                correct = output.topk(5, 1).indices.t().eq(target)
                accuracies = [correct[:k].flatten().sum(dtype=torch.float32) * 100 / len(target) for k in (1, 5)]
            logged["loss"].append(loss.item())
            logged["lr"].append(optimizer.param_groups[0]["lr"])
            logged["acc1"].append(accuracies[0].item())
            logged["acc5"].append(accuracies[1].item())
            logged["img/s"].append(len(target) / (time.perf_counter() - step_start))
        return time.perf_counter() - start

    return loop


def spread(values: list[float]) -> str:
    """Write the median of values, and their ends."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def measure(root: Path, backbone: str, setup: Setup, rounds: int, progress: tqdm[Any]) -> None:
    """Print a line for each loop."""
    params, shares = settings(backbone, "float32", setup), []
    network = build(params.model, params.train.seed, CLASSES, None)
    weights = copy.deepcopy(network.state_dict())
    loops = {
        "ours": ours(root, params, shares),
        "timm": of_timm(root, setup),
        "torchvision": of_torchvision(root, setup),
        "bfloat16": ours(root, settings(backbone, "bfloat16", setup), []),
    }
    rates: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(rounds + 1):
        for name in sorted(loops, key=lambda name: (list(loops).index(name) + number) % len(loops)):
            network.load_state_dict(weights)
            seconds = loops[name](network)
            if number:
                rates[name].append(setup.tiles / seconds)
            progress.update()
    for name, values in rates.items():
        ratios = [own / other for own, other in zip(rates["ours"], values, strict=True)]
        beside = f"ours is {spread(ratios)} times as fast"
        if name == "ours":
            beside = f"waited {statistics.median(shares[1:]):.1%} of the time for its loader"
        if name == "bfloat16":
            beside = f"is {spread([1 / ratio for ratio in ratios])} times as fast as ours"
        print(f"{backbone:22s} {name:12s} {statistics.median(values):7.1f} images/s   {beside}", flush=True)


def main() -> None:
    """Measure every backbone."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each loop that count")
    parser.add_argument("--backbones", nargs="+", default=BACKBONES)
    arguments, setup = parser.parse_args(), Setup()
    print(
        f"{setup.tiles} tiles of {setup.tile_px} px to {setup.input_px} px, batches of {setup.batch_size}, "
        f"{workers_count()} workers, {torch.get_num_threads()} threads, medians of {arguments.rounds} rounds"
    )
    total = 4 * (arguments.rounds + 1) * len(arguments.backbones)
    with tempfile.TemporaryDirectory() as folder, tqdm(total=total, unit="epoch", file=sys.stderr) as progress:
        write_tiles(Path(folder), setup)
        for backbone in arguments.backbones:
            measure(Path(folder), backbone, setup, arguments.rounds, progress)


if __name__ == "__main__":
    main()
