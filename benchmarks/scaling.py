"""Seconds, memory and disk of every stage by number of images, and what many more images need.

    python benchmarks/scaling.py 2000 10000 --csv scaling.csv   # measure, add rows to the file, print the tables
    python benchmarks/scaling.py --csv scaling.csv              # print the tables again

The images are generated: 128 x 128 px, JPEG, one in twenty of a rare class. The parameters are those of `params.yaml`:
EfficientNet-Lite0, frozen, at 160 px, and a linear head. Each stage runs in a process of its own, on a GPU if there is
one. Memory is the peak of all its processes together, looked at five times a second; on Linux their proportional set
size, in which a shared page counts once. Disk is what its outputs take. CPU seconds are those of all its processes. On
a machine that others use as well they say more than seconds: `--by cpu_s` computes with them, and then a machine of the
estimate is one CPU.

The exponent e of a stage is the slope of log(seconds) on log(images), by least squares. A straight line through its
seconds, also by least squares, has the slope b, at least 0. The largest number of images measured, n, took s seconds; N
images are expected to take s + b * (N - n) * (N / n) ** max(0, e - 1). Disk is read off a straight line by least
squares, and memory off two: this one, and the line through the last two numbers of images. They give a range, of which
the upper end says what breaks. Stages that a cluster spreads (docs/scaling.md) take that time divided by the number of
machines, each like the one measured; the others take all of it.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from math import ceil
from pathlib import Path

import numpy as np
import psutil
import yaml
from PIL import Image

from counterpoise import config
from counterpoise.engine.work import ENGINE

ROOT = Path(__file__).parents[1]
SPREAD = ("tile", "embed")
"""Stages that a cluster computes; `predict` as well, where the whole network is trained."""
SIDE_PX, RARE = 128, 20
LOOK_S = 0.2
TIMES = ("seconds", "cpu_s")


@dataclass(frozen=True)
class Measured:
    """What a stage took."""

    images: int
    stage: str
    seconds: float
    cpu_s: float
    memory_mib: float
    disk_mib: float
    machine: str


def machine() -> str:
    """Name what computes."""
    import torch

    from counterpoise.dataset import cpus

    gpu = f" and {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{cpus.available()} CPUs{gpu}"


def write_images(folder: Path, count: int) -> None:
    """Draw images of coarse random patterns under noise; those of the rare class are a little brighter."""
    for number in range(count):
        rng, is_rare = np.random.default_rng(number), number % RARE == 0
        coarse = Image.fromarray(rng.integers(0, 200, (8, 8, 3), dtype=np.uint8)).resize((SIDE_PX, SIDE_PX))
        noise = rng.integers(0, 30 if is_rare else 20, (SIDE_PX, SIDE_PX, 1), dtype=np.uint8)
        path = folder / ("rare" if is_rare else "common") / f"{number // 1000:05d}" / f"{number:08d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(coarse) + noise).save(path, quality=90)


def held_bytes(process: psutil.Process) -> int:
    """Add up what a process and its children hold; on Linux a page that several share counts once."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            info = one.memory_full_info()
        except psutil.Error:  # it has just ended
            continue
        total += getattr(info, "pss", info.rss)
    return total


def cpu_seconds() -> float:
    """Add up the CPU seconds of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def size_bytes(path: Path) -> int:
    """Add up the files of an output."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def measure(count: int) -> list[Measured]:
    """Run the pipeline on so many images."""
    stages, rows, where = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"], [], machine()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        content = config.load(ROOT)
        content["demo"]["name"] = "none"
        content["ingest"] |= {"source": "folder", "root": "data/raw/generated"}
        (root / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        write_images(root / "data/raw/generated", count)
        del stages["code"]  # it reads no image
        for stage, declared in stages.items():
            began_s, began_cpu_s, peak = time.monotonic(), cpu_seconds(), 0
            command, here = [sys.executable, "-m", f"counterpoise.stages.{stage}"], {**os.environ, ENGINE: "local"}
            with (
                (root / "log").open("wb") as log,
                psutil.Popen(command, cwd=root, env=here, stdout=log, stderr=log) as process,
            ):
                while process.poll() is None:
                    peak = max(peak, held_bytes(process))
                    time.sleep(LOOK_S)
            if process.returncode:
                sys.exit((root / "log").read_text())
            outs = [next(iter(out)) if isinstance(out, dict) else out for out in declared["outs"]]
            disk = sum(size_bytes(root / out) for out in outs if (root / out).exists())
            taken = (time.monotonic() - began_s, cpu_seconds() - began_cpu_s)
            rows.append(Measured(count, stage, *taken, peak / 2**20, disk / 2**20, where))
            print(f"{count:,} images: {stage} {taken[0]:.1f} s, {taken[1]:.1f} CPU s", file=sys.stderr, flush=True)
    return rows


def read(path: Path) -> list[Measured]:
    """Read what was measured before."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        kinds = {"images": int, "seconds": float, "cpu_s": float, "memory_mib": float, "disk_mib": float}
        return [Measured(**{key: kinds.get(key, str)(row[key]) for key in row}) for row in csv.DictReader(file)]


def write(path: Path, rows: Sequence[Measured]) -> None:
    """Write all that was measured."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Measured)], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            rounded = {
                key: round(value, 1) if isinstance(value, float) else value for key, value in asdict(row).items()
            }
            writer.writerow(rounded)


def exponent(images: Sequence[int], values: Sequence[float]) -> float:
    """Fit values = c * images ** exponent, by least squares on logarithms."""
    return float(np.polyfit(np.log(images), np.log(values), 1)[0])


def expected(images: Sequence[int], values: Sequence[float], count: float, power: float = 1.0) -> float:
    """Continue the values of the images, in ascending order, beyond the last one; see the formula at the top."""
    slope = max(0.0, float(np.polyfit(images, values, 1)[0]))
    return values[-1] + slope * (count - images[-1]) * math.pow(count / images[-1], max(0.0, power - 1))


def by_stage(rows: Sequence[Measured]) -> dict[str, list[Measured]]:
    """Group what was measured, in the order of the images."""
    found: dict[str, list[Measured]] = {}
    for row in sorted(rows, key=lambda row: row.images):
        found.setdefault(row.stage, []).append(row)
    return found


def print_measured(rows: Sequence[Measured], by: str) -> None:
    """Print a row for each stage: what it took, and its exponent."""
    counts = sorted({row.images for row in rows})
    print(f"On {rows[0].machine}; for each number of images seconds (CPU seconds), MiB of memory, MiB of disk.\n")
    heads = [f"{count:,}" for count in counts]
    print("| stage | " + " | ".join(heads) + " | exponent |\n|---|" + "---|" * (len(counts) + 1))
    for stage, own in by_stage(rows).items():
        cells = [f"{row.seconds:.1f} ({row.cpu_s:.1f}) s, {row.memory_mib:.0f}, {row.disk_mib:.1f}" for row in own]
        print(f"| {stage} | {' | '.join(cells)} | {exponent(counts, [getattr(row, by) for row in own]):.2f} |")
    totals = {
        name: [sum(getattr(row, name) for row in rows if row.images == count) for count in counts] for name in TIMES
    }
    cells = [f"{seconds:.0f} ({cpu_s:.0f}) s" for seconds, cpu_s in zip(*totals.values(), strict=True)]
    print(f"| all | {' | '.join(cells)} | {exponent(counts, totals[by]):.2f} |")


def print_estimate(rows: Sequence[Measured], wanted: argparse.Namespace) -> None:
    """Print what many images need: hours, memory and disk of each stage, machines, and money."""
    counts, count = sorted({row.images for row in rows}), wanted.images
    hours, memory, disk, last = {}, {}, 0.0, {}
    for stage, own in by_stage(rows).items():
        times, last[stage] = [getattr(row, wanted.by) for row in own], own[-1].memory_mib / 2**10
        hours[stage] = expected(counts, times, count, exponent(counts, times)) / 3600
        both = [expected(counts[first:], [row.memory_mib for row in own[first:]], count) / 2**10 for first in (0, -2)]
        memory[stage] = (min(both), max(both))
        disk += expected(counts, [row.disk_mib for row in own], count) / 2**20
    spread = sum(hours[stage] for stage in SPREAD)
    alone = sum(hours.values()) - spread
    machines = max(1, ceil(spread / wanted.hours))
    print(f"\nFor {count:,.0f} images, computed from the table above:\n")
    print("| stage | hours of one machine | GiB of memory |\n|---|---|---|")
    for stage in hours:
        least, most = (f"{gib:,.1f}" for gib in memory[stage])
        print(f"| {stage} | {hours[stage]:,.1f} | {least if least == most else f'{least} to {most}'} |")
    print(
        f"\n{' and '.join(SPREAD)} take {spread:,.1f} hours of one machine, or {spread / machines:.1f} hours of "
        f"{machines}, the fewest that take at most {wanted.hours:g}; the other stages take {alone:,.1f} hours of one. "
        f"All take {spread / machines + alone:,.1f} hours with {machines} machine{'s' * (machines > 1)}, and "
        f"{spread + alone:,.1f} machine hours, which cost {(spread + alone) * wanted.price:,.0f} at {wanted.price:g} "
        f"an hour. Artifacts take {disk:,.2f} TiB, beside the images.\n"
        f"However many machines there are, the one that runs dvc takes {wanted.driver_ms * count / 3.6e6:,.1f} hours "
        f"of a CPU for the results of {' and '.join(SPREAD)}."
    )
    limit = wanted.memory_gib
    breaks = {
        stage: float(np.interp(limit, [last[stage], gib], [counts[-1], count]))
        for stage, (_, gib) in memory.items()
        if gib > limit
    }
    for stage, fitting in sorted(breaks.items(), key=lambda item: item[1]):
        print(f"{stage} passes {limit:g} GiB of memory at about {fitting:,.0f} images.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("counts", type=int, nargs="*", help="numbers of images to measure")
    parser.add_argument(
        "--csv", type=Path, default=Path("scaling.csv"), help="what was measured (default: scaling.csv)"
    )
    parser.add_argument("--images", type=float, default=1e7, help="number of images to estimate for (default: 1e7)")
    parser.add_argument(
        "--hours", type=float, default=24.0, help="most hours of the stages that are spread (default: 24)"
    )
    parser.add_argument("--by", choices=TIMES, default="seconds", help="times to compute with (default: seconds)")
    parser.add_argument("--memory-gib", type=float, default=64.0, help="memory of a machine (default: 64, assumed)")
    parser.add_argument(
        "--driver-ms", type=float, default=1.0, help="CPU ms of the driver for a tile, by cluster.py (default: 1)"
    )
    parser.add_argument("--price", type=float, default=0.1, help="of an hour of a machine (default: 0.1, assumed)")
    arguments = parser.parse_args()
    rows = read(arguments.csv)
    for count in arguments.counts:
        rows = [row for row in rows if row.images != count] + measure(count)
        write(arguments.csv, rows)
    if len({row.machine for row in rows}) > 1:
        sys.exit(f"{arguments.csv} has rows of several machines, which cannot be compared; name another file by --csv")
    if len({row.images for row in rows}) < 2:
        sys.exit("exponents need at least two numbers of images, such as 500 2000")
    print_measured(rows, arguments.by)
    print_estimate(rows, arguments)


if __name__ == "__main__":
    main()
