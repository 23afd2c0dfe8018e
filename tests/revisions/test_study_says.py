"""When a study is quoted, and which sentence of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from counterpoise import config
from counterpoise.revisions import study_says

ROOT = Path(__file__).resolve().parents[2]
BEFORE = {"loss": "cross_entropy", "weighting": {"scheme": "none"}}
EQUIVALENT = "equivalent: the interval [-0.043, 0.025] is inside ±0.05"


def write(root: Path, **arms: Any) -> dict[str, str]:
    """Write a study of some arms, and return the hashes of `dvc.lock` that it fits."""
    (root / "study").mkdir()
    found = {"figure": "balanced_accuracy", "view": "decided", "margin": 0.05}
    found["arms"] = {"plain": {"control": None, "changes": {"loss": "cross_entropy"}}, **arms}
    texts = {
        "study/summary.json": json.dumps(found),
        "study/leaderboard.md": "# Which remedy helped\n\n**What should I do?** Keep the control.\n",
    }
    entries = [{"path": path, "md5": hashlib.md5(text.encode()).hexdigest()} for path, text in texts.items()]
    for path, text in texts.items():
        (root / path).write_text(text)
    (root / "study/params.yaml").write_text("every:\n  weighting.scheme: none\n")
    locked = {"data/tiles/train": "1.dir", "data/features/train": "2.dir", "params.yaml": "3"}
    deps = [{"path": path, "md5": md5} for path, md5 in locked.items()]
    (root / "study/dvc.lock").write_text(yaml.safe_dump({"stages": {"study": {"deps": deps, "outs": entries}}}))
    return locked


def arm(**changes: Any) -> dict[str, Any]:
    numbers = {"difference": -0.009, "low": -0.043, "high": 0.025}
    changes = {"loss": "cross_entropy", **changes}
    return {"control": "plain", "word": "equivalent", "sentence": EQUIVALENT, "changes": changes, **numbers}


def test_an_arm_that_makes_the_same_change_is_quoted_with_its_interval(tmp_path: Path) -> None:
    locked = write(tmp_path, focal=arm(loss="focal"), weighted=arm(**{"weighting.scheme": "balanced"}))
    said = study_says.sentence(tmp_path, locked, BEFORE, {**BEFORE, "loss": "focal"})
    assert said == (
        "The study compared this change on train and validation: `focal` beside `plain`, balanced accuracy, decided: "
        f"-0.009; {EQUIVALENT}."
    )
    weighted = study_says.sentence(tmp_path, locked, BEFORE, {**BEFORE, "weighting": {"scheme": "balanced"}})
    assert "`weighted` beside `plain`" in weighted


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (BEFORE, BEFORE),
        (BEFORE, {"loss": "focal", "weighting": {"scheme": "balanced"}}),
        ({**BEFORE, "loss": "ohem"}, {**BEFORE, "loss": "focal"}),
        ({"loss": "cross_entropy", "weighting": {"scheme": "balanced"}}, {"loss": "focal", "weighting": {}}),
        ({**BEFORE, "loss": "focal"}, BEFORE),
    ],
    ids=["nothing", "two changes", "another control", "another everything", "the way back"],
)
def test_no_arm_speaks_for_another_change(before: dict[str, Any], now: dict[str, Any], tmp_path: Path) -> None:
    locked = write(tmp_path, focal=arm(loss="focal"))
    said = study_says.sentence(tmp_path, locked, before, now)
    assert said == "No arm of the study makes this change alone. What it says of its own: Keep the control."


def test_a_study_of_other_images_or_an_edited_one_is_not_quoted(tmp_path: Path) -> None:
    locked = write(tmp_path, focal=arm(loss="focal"))
    now = {**BEFORE, "loss": "focal"}
    other = study_says.sentence(tmp_path, locked | {"data/tiles/train": "9.dir"}, BEFORE, now)
    assert "not quoted, since it is of other images: `data/tiles/train` is another one now" in other
    older = study_says.sentence(tmp_path, locked | {"params.yaml": "9"}, BEFORE, now)
    assert older.endswith(f"{EQUIVALENT}. Code, parameters or features have changed since.")
    (tmp_path / "study/summary.json").write_text("{}")
    edited = study_says.sentence(tmp_path, locked, BEFORE, now)
    assert "`study/summary.json` is not what the study wrote" in edited


def test_without_a_study_nothing_is_said(tmp_path: Path) -> None:
    assert study_says.sentence(tmp_path, {}, BEFORE, BEFORE) == ""


def test_the_study_of_the_repository_speaks_of_focal_loss() -> None:
    content = config.load(ROOT)
    assert content["loss"] == "cross_entropy"
    said = study_says.sentence(ROOT, {}, content, {**content, "loss": "focal"})
    assert "`focal` beside `cross_entropy`, balanced accuracy, decided: " in said
