"""List the files of code that each stage runs, so that a change of code reruns only the stages that run it.

Reads `src/counterpoise/`. Writes `results/code/`, a list for each other stage, with the checksum of every file. A stage
depends on its list. DVC would take seconds longer for each run if `dvc.yaml` named these files themselves.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from counterpoise import stages
from counterpoise.artifacts import code_lists
from counterpoise.config import InputError

PACKAGE = "src/counterpoise"
ALL = "check"
"""A stage that runs code of every stage, found while it runs."""
NAMED = {"ingest": "sources", "train": "losses"}
"""Stage -> an open set of which it runs one member. `dvc.yaml` names this file, by the parameter that chooses it."""

BESIDE = (".css", ".j2", ".js", ".json", ".yaml")
"""Endings of files beside code that it reads."""
FOR_TYPES = ("TYPE_CHECKING", "typing.TYPE_CHECKING")
PARTS = ("body", "orelse", "handlers", "finalbody", "cases")
"""Fields of a statement in which others lie."""


def run_by(stage: str, package: Path) -> list[Path]:
    """List the files that a stage may run, sorted.

    These are its module, all that it imports, directly or through others and inside functions too, the members of open
    sets, and what is no Python beside them, such as templates. Imports for annotations alone do not count.

    Args:
        stage: Name of the stage.
        package: Folder of the package. No file outside it is listed.
    """
    if stage == ALL:
        return sorted(file for file in package.rglob("*.*") if file.suffix == ".py" or _is_beside(file))
    found: set[Path] = set()
    imported: set[Path] = set()
    waiting = [package / "stages" / f"{stage}.py"]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            imported.update(_imports(path, package))
            waiting += [*_imports(path, package), *_members(path)]
    if stage in NAMED:
        found -= {*_members(package / NAMED[stage] / "__init__.py")} - imported
    beside = {file for folder in {path.parent for path in found} for file in folder.iterdir()}
    return sorted(found | set(filter(_is_beside, beside)))


def _is_beside(file: Path) -> bool:
    """Say whether code beside a file may read it; what an editor leaves there is hidden."""
    return file.suffix in BESIDE and not file.name.startswith(".")


@cache
def _statements(path: Path) -> list[ast.AST]:
    """Parse a file, and list all statements that run: those below `if TYPE_CHECKING` do not."""
    waiting: list[ast.AST] = [*ast.parse(path.read_text(encoding="utf-8"), filename=str(path)).body]
    found = []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in FOR_TYPES:
            waiting += node.orelse
        else:
            found.append(node)
            waiting += [inner for part in PARTS for inner in getattr(node, part, [])]
    return found


@cache
def _imports(path: Path, package: Path) -> list[Path]:
    """List the files of the package that a file imports itself, and the packages around them."""
    found = []
    for name in _names(path, package):
        first, *parts = name.split(".")
        if first == package.name:
            for depth in range(len(parts) + 1):
                base = package.joinpath(*parts[:depth])
                found += [file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()]
    return [file for file in dict.fromkeys(found) if file != path and not _is_a_docstring(file)]


def _names(path: Path, package: Path) -> Iterator[str]:
    """Yield the dotted names of a file's own package and of all that it imports; `from a import b` yields `a.b`."""
    own = path.parent.relative_to(package.parent).parts
    yield ".".join(own)
    for node in _statements(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = own[: len(own) - node.level + 1] if node.level else ()
            yield from (".".join([*above, *filter(None, [node.module]), alias.name]) for alias in node.names)


def _is_a_docstring(path: Path) -> bool:
    """Say whether a file has no code: what it holds then changes nothing."""
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in _statements(path))


@cache
def _members(path: Path) -> list[Path]:
    """List the modules beside a package's `__init__.py` that finds one of them by its name."""
    if path.name != "__init__.py" or "import_module(" not in path.read_text(encoding="utf-8"):
        return []
    return sorted([*path.parent.glob("*.py"), *path.parent.glob("*/__init__.py")])


def of_stages(root: Path) -> dict[str, list[Path]]:
    """List the files of each stage that has a list.

    Args:
        root: The repository.

    Raises:
        InputError: The code is not there, or a file of it cannot be parsed.
    """
    package = root / PACKAGE
    if not package.is_dir():
        raise InputError(f"there is no folder {PACKAGE} in {root}; run `dvc repro` at the top of the repository")
    names = {path.stem for path in (package / "stages").glob("*.py")} - {"__init__", Path(__file__).stem}
    try:
        return {name: run_by(name, package) for name in sorted(names)}
    except SyntaxError as error:
        raise InputError(f"{error.filename}:{error.lineno}: {error.msg}; correct it, and run `dvc repro`") from error


def main(root: Path) -> None:
    """Write the lists."""
    code_lists.write(root, of_stages(root))


if __name__ == "__main__":
    with stages.ending_in_words():
        main(Path.cwd())
