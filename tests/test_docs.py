"""The documents name what there is."""

import re
from pathlib import Path
from typing import get_args

import pytest

from counterpoise.imbalance import class_weights, resampling
from counterpoise.training import mixup, settings

ROOT = Path(__file__).parents[1]
ROWS = [line for line in (ROOT / "docs" / "remedies.md").read_text(encoding="utf-8").splitlines() if line[:1] == "|"]


def choices(name: str) -> list[str]:
    return [str(value) for value in get_args(settings.Train.model_fields[name].annotation)]


@pytest.mark.parametrize(
    "switch",
    [
        *(f"oversample.strategy: {name}" for name in resampling.STRATEGIES if name != "none"),
        *(
            f"weighting.scheme: {name}"
            for name in {**class_weights.SCHEMES, **class_weights.LABEL_SCHEMES}
            if name != "none"
        ),
        *(f"train.mix: {name}" for name in mixup.NAMES),
        *(f"train.sampler: {name}" for name in choices("sampler") if name != "as_drawn"),
        *(f"train.classifier: {name}" for name in choices("classifier") if name != "as_trained"),
        "oversample.defer_frac",
        "weighting.defer_frac",
        "split.balance",
    ],
)
def test_every_remedy_has_a_row_with_all_that_one_must_know(switch: str) -> None:
    piece, _, value = switch.partition(": ")
    found = [row for row in ROWS if piece in row.split("|")[1] and value in row.split("|")[1]]
    assert found, f"docs/remedies.md has no row for {switch}"
    cells = [cell.strip() for cell in found[0].replace("\\|", "").strip("|").split("|")]
    assert len(cells) == 8
    assert all(cells)


def the_triple(cells: list[str]) -> tuple[str, str, str] | None:
    """Read balanced accuracy raw, re-decided, and the difference, of the cells of a row."""
    found = re.match(r"(0\.\d{3}), (0\.\d{3})(?:, ([+-]?0\.\d{3}) ± 0\.\d{3})?", cells[-1].strip())
    return (found[1], found[2], (found[3] or "").lstrip("+")) if found else None


def test_the_figures_of_each_row_are_those_of_a_measurement() -> None:
    """What `benchmarks/remedies.py` printed stands in tables of its own; the rows of switches and losses repeat it."""
    measured = set()
    for row in ROWS:
        cells = [cell.split(" ± ")[0].strip() for cell in row.strip("|").split("|")]
        if len(cells) == 6:
            measured.add((cells[1], cells[2], cells[3]))
    of_losses = (ROOT / "docs" / "losses.md").read_text(encoding="utf-8").splitlines()
    told = [the_triple(row.replace("\\|", "").strip("|").split("|")) for row in (*ROWS, *of_losses) if row[:1] == "|"]
    repeated = [triple for triple in told if triple]
    assert len(repeated) > 25
    assert set(repeated) <= measured
