"""What the committed study of the default problem must say, and what the documents say of it."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "study" / "summary.json").read_text(encoding="utf-8"))
    return found


def test_the_same_full_batch_fit_again_is_identical(summary: dict[str, Any]) -> None:
    again = summary["arms"]["cross_entropy_again"]
    assert (again["word"], again["difference"], again["low"], again["high"]) == ("identical", 0, 0, 0)


def test_another_seed_of_the_stochastic_control_is_neither_better_nor_worse(summary: dict[str, Any]) -> None:
    arm = summary["arms"]["another_seed"]
    assert arm["word"] in ("equivalent", "undecided")
    assert arm["low"] < 0 < arm["high"], "another seed changes something"


def test_a_fifth_of_the_labels_is_not_better(summary: dict[str, Any]) -> None:
    assert summary["arms"]["a_fifth_of_labels"]["word"] in ("undecided", "worse")


def test_documents_count_the_verdicts_as_the_summary_does(summary: dict[str, Any]) -> None:
    words = Counter(arm["word"] for arm in summary["arms"].values() if arm["control"])
    readme, page = (
        re.sub(r"\s+", " ", path.read_text(encoding="utf-8"))
        for path in (ROOT / "README.md", ROOT / "docs" / "which-remedy.md")
    )
    same = words["equivalent"] + words["identical"]
    assert f"compared {words.total()} variants" in readme
    assert f"{summary['images']:,} images of train and validation ({summary['units']} rare ones)" in readme
    assert f"None is better: {same} are within {summary['margin']} of it, {words['undecided']} are undecided" in readme
    assert f"and {words['worse']} are worse" in readme
    assert re.search(rf"compared {words.total()} \*arms\*", page)
    assert f"{same} are within {summary['margin']} of it, {words['undecided']} are undecided" in page
    assert words["better"] == 0, "README and docs/which-remedy.md say that none is better"
