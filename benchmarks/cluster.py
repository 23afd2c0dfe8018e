"""Seconds of stages on two Ray nodes beside those of one machine, and after a node was killed.

Run `python benchmarks/cluster.py DIR` with the extra `ray`. DIR is a built clone, whose outputs are written again and
come out the same. The nodes are processes of this machine that meet on a loopback address, with a CPU each, so that
both engines compute with two CPUs: what differs is the price of the cluster, and not its gain. Then `embed` runs once
more, and one node is killed after half of the batches.

The script prints the median of the rounds for each, CPU milliseconds that the driver takes for the results of a tile,
whether tiles have the same bytes, and the largest difference between features.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from numpy.typing import NDArray
from ray.cluster_utils import Cluster

from counterpoise import config, storage
from counterpoise.artifacts import features, splits, tiles
from counterpoise.engine.work import ENGINE

HOST = "127.0.0.2"
"""Ray takes 127.0.0.1 for the address of this machine in its network, which another loopback address is not."""
NODE = {"node_ip_address": HOST, "num_cpus": 1, "object_store_memory": 200 * 2**20}


class Ran(NamedTuple):
    """What a stage took: seconds, and CPU seconds of the driver after it had begun to send work."""

    seconds: float
    driver_s: float


def run(root: Path, stage: str, address: str | None, meanwhile: Callable[[], None] = lambda: None) -> Ran:
    """Run a stage on a cluster, or without an address on this machine; call a function every 50 ms until it ends."""
    engine = {ENGINE: "local", "COUNTERPOISE_CPUS": "2"}
    if address:
        engine = {ENGINE: "ray", "RAY_ADDRESS": address}
    command, began_s = [sys.executable, "-m", f"counterpoise.stages.{stage}"], time.perf_counter()
    begins = now = 0.0
    with psutil.Popen(command, cwd=root, env={**os.environ, **engine}, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            with suppress(psutil.Error):
                now = sum(process.cpu_times()[:2])
                begins = begins or (now if list(root.glob(".checkpoints/ray-*")) else 0.0)
            meanwhile()
            time.sleep(0.05)
    if process.returncode:
        sys.exit(f"{stage} failed in {root}; run `python -m counterpoise.stages.{stage}` there to see why")
    return Ran(time.perf_counter() - began_s, now - begins)


def kept(root: Path) -> int:
    """Count the batches that an unfinished `embed` has kept."""
    return sum(len(log.read_bytes().splitlines()) for log in root.glob(".checkpoints/embed-*/log"))


def of_tiles(root: Path) -> list[str]:
    """Return the checksums of all tiles."""
    folders = [root / tiles.path(split) for split in splits.NAMES]
    return [storage.checksum_of(file) for folder in folders for file in sorted(folder.iterdir())]


def of_features(root: Path) -> NDArray[np.float32]:
    """Copy the features of all splits."""
    found = [features.read(root, split) for split in splits.NAMES]
    return np.concatenate([own.values for own in found if own is not None])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("root", type=Path, help="a built clone")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (default: 3)")
    arguments = parser.parse_args()
    root = arguments.root.absolute()
    expected, computed = of_tiles(root), of_features(root)
    half = len(computed) / config.load(root)["embed"]["batch_size"] / 2
    ran: dict[str, list[Ran]] = {}
    differences, killed = [], 0
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    for _ in range(arguments.rounds):
        second = cluster.add_node(**NODE)
        for stage in ("tile", "embed"):
            ran.setdefault(f"{stage}, one machine", []).append(run(root, stage, None))
            ran.setdefault(f"{stage}, two nodes", []).append(run(root, stage, cluster.address))
            if stage == "tile" and of_tiles(root) != expected:
                sys.exit("tiles have other bytes")
        differences.append(np.abs(of_features(root) - computed).max())

        def kill(second: object = second) -> None:
            if second in cluster.list_all_nodes() and kept(root) >= half:
                cluster.remove_node(second, allow_graceful=False)

        ran.setdefault("embed, a node killed", []).append(run(root, "embed", cluster.address, kill))
        differences.append(np.abs(of_features(root) - computed).max())
        killed += second not in cluster.list_all_nodes()
    cluster.shutdown()
    if killed < arguments.rounds:
        sys.exit("embed ended before a node was killed; give a clone with more images")
    print("| stage | seconds | CPU ms of the driver for each tile |\n|---|---|---|")
    for name, own in ran.items():
        seconds, driver_s = (statistics.median(values) for values in zip(*own, strict=True))
        each = f"{1000 * driver_s / len(computed):.2f}" if "machine" not in name else ""
        print(f"| {name} | {seconds:.1f} | {each} |")
    print(f"\nTiles have the same bytes. Features differ by at most {max(differences):.1g}.")


if __name__ == "__main__":
    main()
