"""Files that appear whole or not at all, and tables and JSON in a form in which equal content is equal bytes."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

if TYPE_CHECKING:
    import pandas as pd
    from _typeshed import DataclassInstance

D = TypeVar("D", bound="DataclassInstance")


class ArtifactError(ValueError):
    """A file between two stages is missing, damaged, or not what its reader or writer declares."""


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_leftovers(path: Path) -> None:
    """Remove what writers of `path` that no longer live (a power cut, `kill -9`) left beside it."""
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        process = leftover.name.removeprefix(f".{path.name}.").split(".")[0]
        if process.isdigit() and not _is_alive(int(process)):
            _remove(leftover)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def replacing(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """Give a path of this process's own to write to, and put it in place of `path` at the end.

    A writer that is killed leaves `path` as it was (only between the two renames that exchange a folder is there none);
    of two writers at a time, the one that ends last wins whole.

    Args:
        path: The file or folder to make.
        folder: Whether it is a folder; then the yielded folder exists.

    Yields:
        Where to write. If the body raises, nothing of it remains.

    Raises:
        OSError: The system refused, for want of room or of permission; `filename` is `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary = _temporary(path)
    try:
        if folder:
            temporary.mkdir()
        yield temporary
        if folder:
            _swap(temporary, path)
        else:
            temporary.replace(path)
    except BaseException as error:
        for_want_of_room = _tells_of_a_full_disk(error, path.parent)
        _remove(temporary)
        if for_want_of_room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        if isinstance(error, OSError) and error.errno and str(error.filename or temporary).startswith(str(temporary)):
            error.filename = str(path)  # writing does not say where, and nobody knows the temporary one
        raise


def _tells_of_a_full_disk(error: BaseException, folder: Path) -> bool:
    """Recognise a full disk behind the errors of NumPy, torch and safetensors, which have no `errno`."""
    if not isinstance(error, Exception) or isinstance(error, ValueError) or getattr(error, "errno", None):
        return False
    return os.strerror(errno.ENOSPC) in str(error) or shutil.disk_usage(folder).free < 2**20


def _swap(temporary: Path, path: Path) -> None:
    """Put a folder in place of what is at `path`, which is removed only once the new one is there."""
    aside = []
    while True:
        try:
            temporary.rename(path)
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        old = _temporary(path)
        try:
            path.rename(old)
        except FileNotFoundError:  # another writer moved it first
            continue
        aside.append(old)
    for old in aside:
        _remove(old)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with Unix line ends, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, content: object) -> None:
    """Write JSON with two spaces, keys in the order given.

    Raises:
        ArtifactError: A number is not finite.
    """
    try:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ArtifactError(f"{path}: a number is not finite: {error}") from error
    write_text(path, text + "\n")


def read_json(path: Path) -> Any:  # noqa: ANN401 - the artifact's reader checks it
    """Read JSON.

    Raises:
        ArtifactError: The file is missing or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} does not exist; run `dvc repro`") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} is damaged, not JSON: {error}; run `dvc repro`") from error


def read_dataclass(root: Path, path: str, kind: type[D]) -> D:
    """Read JSON that `write_json` made of a dataclass.

    Args:
        root: The repository.
        path: Of the file below it.
        kind: The dataclass, of which every field must be there.

    Raises:
        ArtifactError: The file is missing or no JSON, or its keys or their types are others.
    """
    content, keys = read_json(root / path), {field.name for field in dataclasses.fields(kind)}
    if not isinstance(content, dict):
        raise ArtifactError(f"{path}: damaged: expected the keys {sorted(keys)}, found {content!r}; run `dvc repro`")
    missing, unknown = sorted(keys - content.keys()), sorted(content.keys() - keys)
    if missing or unknown:
        raise ArtifactError(f"{path}: damaged: missing keys {missing}, unknown keys {unknown}; run `dvc repro`")
    try:
        return TypeAdapter(kind).validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        problem = error.errors()[0]
        place, message = ".".join(map(str, problem["loc"])), problem["msg"]
        raise ArtifactError(
            f"{path}: damaged: {place} is {problem['input']!r}; {message[0].lower()}{message[1:]}; run `dvc repro`"
        ) from error


def write_table(path: Path, table: pd.DataFrame, columns: Mapping[str, type]) -> None:
    """Write a table as CSV after checking it.

    Args:
        path: The file.
        table: Its rows, in their final order.
        columns: Every column in its order, and its type: str, int or float.

    Raises:
        ArtifactError: Columns are missing, too many, in another order, of another type, or incomplete.
    """
    check_table(path, table, columns)
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


def read_table(path: Path, columns: Mapping[str, type]) -> pd.DataFrame:
    """Read a table from CSV and check it; text is read as text (`NA` is a name, not a missing value).

    Raises:
        ArtifactError: The file is missing, or not as its writer declares it.
    """
    import pandas as pd

    try:
        table = pd.read_csv(
            path,
            dtype={name: (str if kind is str else object) for name, kind in columns.items()},
            keep_default_na=False,
            skip_blank_lines=False,
            lineterminator="\n",
        )
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} does not exist; run `dvc repro`") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} is damaged, not a table: {error}; run `dvc repro`") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise ArtifactError(f"{path} is damaged: rows have more cells than the {len(columns)} columns {list(columns)}")
    check_end(path)
    for name, kind in columns.items():
        if name in table and kind is not str:
            try:
                numbers = pd.to_numeric(table[name])
                if kind is int and len(table) and not pd.api.types.is_integer_dtype(numbers):
                    raise ValueError("found fractions or gaps")
                table[name] = numbers.astype("int64" if kind is int else "float64")
            except (ValueError, TypeError, OverflowError) as error:
                raise ArtifactError(f"{path}: column {name!r} should hold {kind.__name__}: {error}") from error
    check_table(path, table, columns)
    return table


def check_end(path: Path) -> None:
    """Check that a table, which is not empty, ends with the end of a line.

    Raises:
        ArtifactError: It does not: somebody cut it off.
    """
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        if file.read() != b"\n":
            raise ArtifactError(f"{path}: its last row is cut off; run `dvc repro`")


def check_table(path: Path, table: pd.DataFrame, columns: Mapping[str, type]) -> None:
    """Check that a table has the declared columns, in their order, of their types, without gaps.

    Raises:
        ArtifactError: It has not.
    """
    import pandas as pd

    if list(table.columns) != list(columns):
        raise ArtifactError(f"{path}: found columns {list(table.columns)}, expected {list(columns)}")
    for name, kind in columns.items():
        column = table[name]
        if kind is str:
            fits = all(isinstance(value, str) for value in column)
        elif kind is int:
            fits = pd.api.types.is_integer_dtype(column)
        else:
            fits = pd.api.types.is_float_dtype(column) and not bool(column.isna().any())
        if not fits and len(table):
            raise ArtifactError(f"{path}: column {name!r} should hold {kind.__name__} in every row")


def check_unique(path: Path, table: pd.DataFrame, columns: list[str]) -> None:
    """Check that no two rows agree in all of `columns`.

    Raises:
        ArtifactError: Two rows do, of which the first is named, or there is no such column.
    """
    absent = [name for name in columns if name not in table]
    if absent:
        raise ArtifactError(f"{path}: there is no column {absent}; found {list(table.columns)}")
    repeated = table[table.duplicated(subset=columns)]
    if len(repeated):
        raise ArtifactError(f"{path}: {columns} occur twice: {repeated.iloc[0][columns].tolist()}")
