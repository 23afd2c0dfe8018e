"""What the study of the repository says of a change, if it is about these data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from counterpoise import config
from counterpoise.report.texts import figure_name
from counterpoise.revisions import checkout
from counterpoise.revisions.run import hashes
from counterpoise.study import arms, summary
from counterpoise.study.wording import digits_of, signed

LOCK = "study/dvc.lock"
MAY_CHANGE = ("params.yaml", "src/counterpoise", "data/features/train", "data/features/val")
"""What a study also depends on; it is of the same images if these changed since, but not of the same code."""
ADVICE = "**What should I do?** "
"""What begins the advice in the leaderboard."""


def sentence(root: Path, locked: Mapping[str, str], before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Quote the study on the change between two sets of parameters.

    Args:
        root: A repository.
        locked: Path -> hash, from its `dvc.lock`.
        before: Parameters before the change, as in `params.yaml`.
        now: Parameters after it.

    Returns:
        Sentences in Markdown; empty where there is no study.
    """
    texts = {path: _text(root, path) for path in (summary.JSON, summary.LEADERBOARD, arms.PATH)}
    studied = hashes(_text(root, LOCK))
    if not texts[summary.JSON] or not studied:
        return ""
    edited = [path for path in texts if path in studied and checkout.md5(texts[path]) != studied[path]]
    others = [path for path, md5 in studied.items() if path not in MAY_CHANGE and locked.get(path, md5) != md5]
    if edited or others:
        why = f"`{edited[0]}` is not what the study wrote" if edited else f"`{others[0]}` is another one now"
        return (
            f"The study in `study/` is not quoted, since it is of other images: {why}. Run `dvc repro study/dvc.yaml`."
        )
    found: Mapping[str, Any] = json.loads(texts[summary.JSON])
    older = any(locked.get(path, studied.get(path)) != studied.get(path) for path in MAY_CHANGE)
    age = " Code, parameters or features have changed since." if older else ""
    every = config.parse(texts[arms.PATH]).get("every", {})
    for name, arm in _matching(found["arms"], every, flatten(before), flatten(now)):
        return f"The study compared this change on train and validation: {_of_arm(name, arm, found)}.{age}"
    lines = [line for line in texts[summary.LEADERBOARD].splitlines() if line.startswith(ADVICE)]
    advice = lines[0].removeprefix(ADVICE) if lines else ""
    return f"No arm of the study makes this change alone. What it says of its own: {advice}{age}" if advice else ""


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Give every value of nested sections its dotted name.

    Example:
        >>> flatten({"loss": "focal", "train": {"seed": 0}})
        {'loss': 'focal', 'train.seed': 0}
    """
    flat: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _matching(
    every_arm: Mapping[str, Mapping[str, Any]],
    every: Mapping[str, Any],
    before: Mapping[str, Any],
    now: Mapping[str, Any],
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the arms that differ from their control as `now` does from `before`, with all else as the study has it."""
    for name, arm in every_arm.items():
        if arm.get("control") in every_arm and "sentence" in arm:
            control, own = ({**before, **every, **every_arm[which]["changes"]} for which in (arm["control"], name))
            if control == before and own == now and control != own:
                yield name, arm


def _of_arm(name: str, arm: Mapping[str, Any], study: Mapping[str, Any]) -> str:
    """Say what was found of an arm, with as many digits as its interval needs."""
    figure = f"{figure_name(study['figure'])}, {study['view']}"
    difference = ""
    if arm.get("word"):
        difference = f" {signed(arm['difference'], digits_of(arm['low'], arm['high'], study['margin']))};"
    return f"`{name}` beside `{arm['control']}`, {figure}:{difference} {arm['sentence']}"


def _text(root: Path, path: str) -> str:
    try:
        return (root / path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
