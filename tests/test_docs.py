"""The documents name what there is."""

from pathlib import Path
from typing import get_args

import pytest

from counterpoise import fitting, mixing, sampling, weighting

ROOT = Path(__file__).parents[1]
ROWS = [line for line in (ROOT / "docs" / "remedies.md").read_text(encoding="utf-8").splitlines() if line[:1] == "|"]


def choices(name: str) -> list[str]:
    return [str(value) for value in get_args(fitting.Train.model_fields[name].annotation)]


@pytest.mark.parametrize(
    "switch",
    [
        *(f"oversample.strategy: {name}" for name in sampling.STRATEGIES if name != "none"),
        *(f"weighting.scheme: {name}" for name in {**weighting.SCHEMES, **weighting.LABEL_SCHEMES} if name != "none"),
        *(f"train.mix: {name}" for name in mixing.NAMES),
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
