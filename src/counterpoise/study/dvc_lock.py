"""What `dvc.lock` says of the artifacts that lie here: with which parameters they were built."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from counterpoise.config import PATH
from counterpoise.storage import ArtifactError

LOCK = "dvc.lock"


def check(root: Path, content: Mapping[str, Any], stages: Sequence[str], free: Collection[str] = ()) -> None:
    """Refuse artifacts that were built with other parameters than the present ones.

    Args:
        root: A repository in which the pipeline was run.
        content: Its checked parameters.
        stages: Whose parameters must be the same; what other stages read may have changed.
        free: Parameters that may have changed, since no artifact of these stages depends on them.

    Raises:
        ArtifactError: A stage was not run by DVC, or was run with other parameters.
    """
    try:
        locked = yaml.safe_load((root / LOCK).read_text(encoding="utf-8"))["stages"]
        recorded = {stage: locked[stage].get("params", {}).get(PATH, {}) for stage in stages}
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{LOCK} does not say with which parameters {stages} were run; run `dvc repro`") from error
    for stage, params in recorded.items():
        for name, value in params.items():
            if name in free:
                continue
            for leaf, before, now in _differences(name, value, _look_up(content, name)):
                raise ArtifactError(
                    f"{PATH}: {leaf} is {now!r}, but stage {stage!r} was run with {before!r}; run `dvc repro`"
                )


def _look_up(content: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - whatever a parameter holds
    value: Any = content
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _differences(name: str, before: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401
    """Yield the dotted name and both values of every parameter that differs."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys((*before, *now)):
            yield from _differences(f"{name}.{key}", before.get(key), now.get(key))
    elif before != now:
        yield name, before, now
