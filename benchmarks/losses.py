"""How long do losses over pairs take? Forward and backward of `auc_pairwise`, beside its definition pair by pair.

Run `python benchmarks/losses.py` from the top of the repository; it takes half a minute, reads and writes nothing, and
needs Linux or macOS. Scores are drawn from fixed seeds, one example in twenty is positive, margin 1 and power 2. A line
is printed for each number of examples: time and memory of the two forms, and how many times quicker the sorted one is.
Each is measured in a process of its own on one thread (several wait for each other where others use the machine), the
two forms in turn, and the quickest of nine rounds counts; the memory is by how much the process grew at its peak. Pair
by pair, 100,000 examples would hold 4.75e8 pairs several times over, and are left out.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from counterpoise.losses.auc_pairwise import auc_pairwise

SIZES = (1_000, 10_000, 100_000)
MOST_BY_PAIRS = 10_000
REPEATS = 9
POSITIVE_FRAC = 0.05
UNIT_BYTES = 1 if sys.platform == "darwin" else 1024
"""Of what the system calls the largest size of a process."""
Loss = Callable[[Tensor, Tensor], Tensor]


def sorted_form(logits: Tensor, targets: Tensor) -> Tensor:
    return auc_pairwise(logits, targets, margin=1.0, power=2).mean()


def pair_by_pair(logits: Tensor, targets: Tensor) -> Tensor:
    scores = (logits[:, 1] - logits[:, 0]).double()
    return (1.0 - (scores[targets == 1][:, None] - scores[targets == 0])).relu().pow(2).mean()


FORMS: dict[str, Loss] = {"sorted": sorted_form, "pair by pair": pair_by_pair}


def a_batch(n: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n)
    targets = (torch.rand(n, generator=generator) < POSITIVE_FRAC).long()
    return torch.randn(n, 2, generator=generator).requires_grad_(), targets


def step(form: Loss, logits: Tensor, targets: Tensor) -> tuple[float, float]:
    """Go forward and backward once: seconds, and the loss."""
    logits.grad = None
    start = time.perf_counter()
    value = form(logits, targets)
    value.backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - start, value.item()


def seconds(n: int, names: list[str]) -> tuple[dict[str, float], dict[str, float]]:
    """Measure the forms in turn: seconds of the quickest round, and the losses."""
    torch.set_num_threads(1)
    logits, targets = a_batch(n)
    values = {name: step(FORMS[name], logits, targets)[1] for name in names}  # and warms up
    rounds = [{name: step(FORMS[name], logits, targets)[0] for name in names} for _ in range(REPEATS)]
    return {name: min(times[name] for times in rounds) for name in names}, values


def grown_bytes(n: int, name: str) -> int:
    """Measure by how much a fresh process grows at its peak."""
    torch.set_num_threads(1)
    step(FORMS[name], *a_batch(100))
    batch = a_batch(n)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step(FORMS[name], *batch)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * UNIT_BYTES


def main() -> None:
    """Print a line for each number of examples."""
    print(f"forward and backward on one thread, {POSITIVE_FRAC:.0%} positive")
    print(f"{'n':>8s}  {'sorted':>17s}  {'pair by pair':>17s}  {'ratio':>6s}")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as fresh:
        for n in SIZES:
            names = list(FORMS) if n <= MOST_BY_PAIRS else ["sorted"]
            times, values = fresh.apply(seconds, (n, names))
            if len({f"{value:.5e}" for value in values.values()}) > 1:
                raise SystemExit(f"the two forms disagree at n = {n}: {values}")
            cells = {
                name: f"{1000 * times[name]:6.1f} ms {fresh.apply(grown_bytes, (n, name)) / 2**20:5.0f} MB"
                for name in names
            }
            ratio = f"{times['pair by pair'] / times['sorted']:6.1f}" if len(names) == 2 else "     -"
            print(f"{n:8,d}  {cells['sorted']:>17s}  {cells.get('pair by pair', '-'):>17s}  {ratio}")


if __name__ == "__main__":
    main()
