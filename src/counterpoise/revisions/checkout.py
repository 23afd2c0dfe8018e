"""What git and DVC keep of a commit: its files, fetched into a folder, and how it relates to the working tree."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from counterpoise.artifacts import code_lists
from counterpoise.config import InputError, suggest
from counterpoise.stages import code

LONGEST = 300
"""Characters of what git or DVC said that a message repeats."""
CHOSEN_BY = {"losses": "loss", "box_losses": "box_loss", "ingest.sources": "ingest.source"}
"""Section with a block for each name -> the parameter that chooses one."""
UNTOUCHED = ("deleted", "not in cache")
"""States of files that lie elsewhere, as in a clone without data; they say nothing of a change."""


def resolve(root: Path, revision: str) -> str:
    """Find the hash of a commit.

    Args:
        root: The repository.
        revision: Any name that git understands: a branch, a tag, a hash, `HEAD~1`.

    Raises:
        InputError: There is no git, no repository, or no such commit here.
    """
    if not _git(root, "rev-parse", "--git-dir"):
        raise InputError(f"{root} is in no git repository; `pr-comment` compares commits: run it in a clone")
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found:
        return found
    if _git(root, "rev-parse", "--is-shallow-repository") == "true":
        raise InputError(
            f"{revision!r} is not in this shallow clone; run `git fetch --unshallow origin {revision}`, or in a "
            "workflow check out with `fetch-depth: 0`"
        )
    known = _git(root, "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/remotes", "refs/tags")
    names = known.split()[:20]
    raise InputError(f"{revision!r} is no commit of this repository; {suggest(revision, names, ' or a hash')}")


def short(root: Path, commit: str) -> str:
    """Shorten the hash of a commit as git does."""
    return _git(root, "rev-parse", "--short", commit) or commit[:7]


def uncommitted(root: Path) -> list[str]:
    """List tracked files of the working tree that differ from the last commit, and new files below `reports/`."""
    changed = _git(root, "diff", "--name-only", "--relative", "HEAD").splitlines()
    fresh = _git(root, "ls-files", "--others", "--exclude-standard", "--", "reports").splitlines()
    return sorted({*changed, *fresh})


def text(root: Path, commit: str, path: str) -> str:
    """Read a text file of a commit; empty where there is none."""
    return _git(root, "show", f"{commit}:./{path}", strip=False)


def fetch(root: Path, commit: str | None, folder: Path, paths: Iterable[str]) -> dict[str, str]:
    """Copy files and folders of a commit from git, from DVC's cache or from its remote.

    Args:
        root: A DVC repository.
        commit: Its hash; `None` for the working tree.
        folder: Where they go, under the same paths.
        paths: What is wanted.

    Returns:
        Path -> why it could not be fetched, for those that could not.

    Raises:
        InputError: There is no DVC repository here, or DVC cannot read it.
    """
    if not (root / ".dvc").is_dir():
        raise InputError(f"{root} is no DVC repository: it has no folder .dvc; run from the top of one, or `dvc init`")
    import dvc.api
    from dvc.exceptions import DvcException
    from dvc_data.index.index import DataIndexError

    try:
        files = dvc.api.DVCFileSystem(str(root), rev=commit)
    except DvcException as error:
        raise InputError(f"{root}: DVC cannot read this repository: {_cut(error)}; run `dvc doctor`") from error
    missing = {}
    for path in paths:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            files.get(path, str(target), recursive=True)
        except (DvcException, DataIndexError, OSError) as error:  # of a file, of a folder, of what git keeps
            missing[path] = _cut(error)
    return missing


def changed_parameters(root: Path, commit: str) -> dict[str, tuple[Any, Any]]:
    """List the parameters that differ between a commit and the working tree, by `dvc params diff`.

    Returns:
        Dotted name -> value in the commit and now, `None` where it is not there. Names of other files than
        `params.yaml` have the file in front.
    """
    listed: Mapping[str, Mapping[str, Mapping[str, Any]]] = _dvc(root, "params", "diff", "--json", commit)
    return {
        name if file == "params.yaml" else f"{file}: {name}": (values.get("old"), values.get("new"))
        for file, own in listed.items()
        for name, values in own.items()
    }


def in_use(
    changed: Mapping[str, tuple[Any, Any]], before: Mapping[str, Any], now: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """Leave out parameters of losses and sources that neither run chose, and sort the others by name.

    Args:
        changed: As `changed_parameters` gives it.
        before: All parameters of the commit.
        now: All parameters of the working tree.

    Example:
        >>> in_use({"losses.focal.gamma": (1, 2), "loss": ("a", "b")}, {"loss": "a"}, {"loss": "b"})
        {'loss': ('a', 'b')}
    """

    def is_used(name: str) -> bool:
        for blocks, choice in CHOSEN_BY.items():
            if name.startswith(f"{blocks}."):
                chosen = {_value(content, choice) for content in (before, now)}
                return name.removeprefix(f"{blocks}.").split(".")[0] in chosen
        return True

    return {name: changed[name] for name in sorted(changed) if is_used(name)}


def _value(content: Mapping[str, Any], dotted: str) -> Any:  # noqa: ANN401 - whatever the file holds
    for key in dotted.split("."):
        content = content.get(key, {}) if isinstance(content, Mapping) else {}
    return content if isinstance(content, str) else None


def outdated_stages(root: Path, locked: Mapping[str, str]) -> list[str]:
    """List stages of `dvc.yaml` whose code, parameters or outputs are no longer those in `dvc.lock`, by `dvc status`.

    Data that do not lie here are no change: a clone without `dvc pull` is not outdated.

    Args:
        root: The repository.
        locked: Path -> hash, of all files in `dvc.lock`.
    """
    states: Mapping[str, list[Any]] = _dvc(root, "status", "--json", "dvc.yaml")
    found = [stage.rpartition(":")[2] for stage, state in states.items() if any(map(_is_a_change, state))]
    for stage, files in code.of_stages(root).items():  # of which DVC knows nothing before stage `code` has run
        if stage not in found and md5(code_lists.text(root, files)) != locked.get(code_lists.path(stage)):
            found.append(stage)
    return found


def md5(text: str) -> str:
    """Hash a text as DVC hashes the file that holds it."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _is_a_change(entry: Any) -> bool:  # noqa: ANN401 - a word, or a mapping of mappings
    if isinstance(entry, Mapping):
        return any(map(_is_a_change, entry.values()))
    return entry not in UNTOUCHED


def _dvc(root: Path, *arguments: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Run a command of DVC that prints JSON.

    Raises:
        InputError: It failed.
    """
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, encoding="utf-8", check=False)
    try:
        if done.returncode == 0:
            return json.loads(done.stdout or "{}")
        said = done.stderr.strip()
    except ValueError as error:
        said = str(error)
    raise InputError(f"`dvc {' '.join(arguments)}` failed: {_cut(said)}; is this the top of a DVC repository?")


def _git(root: Path, *arguments: str, strip: bool = True) -> str:
    """Run git; empty where it fails or is not installed."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
        said = done.stdout.decode("utf-8") if done.returncode == 0 else ""
    except (OSError, UnicodeDecodeError):
        return ""
    return said.strip() if strip else said


def _cut(said: object) -> str:
    words = " ".join(str(said).split())
    return words if len(words) <= LONGEST else f"{words[:LONGEST]} ..."
