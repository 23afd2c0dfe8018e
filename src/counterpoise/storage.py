"""Files that appear whole or not at all, whose readers notice any damage, with equal bytes for equal content.

A writer records the checksum of each file in a file `<stage>.sums`, in the same folder or in the folder that appears as
a whole; the reader compares it. `xxhsum --check` reads these files as well.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import xxhash
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
        pass
    return True


@contextmanager
def replacing(path: Path, *, folder: bool = False, sums: Path | None = None) -> Iterator[Path]:
    """Give a path of this process's own to write to, and put it in place of `path` at the end.

    A writer that is killed leaves `path` as it was (only between the two renames that exchange a folder is there none);
    of two writers at a time, the one that ends last wins whole. The content is on the disk before it takes its place,
    so that a power cut leaves no empty file.

    Args:
        path: The file or folder to make.
        folder: Whether it is a folder; then the yielded folder exists.
        sums: Where to record the checksum of the file, or of every file of the folder; then it lies in the folder.

    Yields:
        Where to write: an empty file or folder. If the body raises, nothing of it remains.

    Raises:
        OSError: The system refused, for want of room or of permission; `filename` is `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary = _temporary(path)
    try:
        if folder:
            temporary.mkdir()
        else:
            temporary.touch()
        yield temporary
        if folder and sums is not None:
            _write_sums(temporary / sums.name, {file: checksum_of(temporary / file) for file in _files(temporary)})
        for file in _files(temporary) if folder else [""]:
            _sync(temporary / file)
        if folder:
            _swap(temporary, path)
        else:
            temporary.replace(path)
            if sums is not None:
                record(path, sums)
    except BaseException as error:
        for_want_of_room = _tells_of_a_full_disk(error, path.parent)
        with suppress(OSError):  # where nothing can be written, nothing can be removed
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


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def checksum(data: bytes) -> str:
    """Compute the checksum of bytes: XXH3 of 128 bits, as 32 hex digits."""
    return xxhash.xxh3_128_hexdigest(data)


def checksum_of(path: Path) -> str:
    """Compute the checksum of a file, which is read piece by piece."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()


def record(path: Path, sums: Path) -> None:
    """Record the checksum of a file, beside those that the file of sums holds already."""
    _write_sums(sums, _read_sums(sums) | {path.relative_to(sums.parent).as_posix(): checksum_of(path)})


def _write_sums(sums: Path, listed: Mapping[str, str]) -> None:
    write_text(sums, "".join(f"{listed[name]}  {name}\n" for name in sorted(listed)))


def _read_sums(sums: Path) -> dict[str, str]:
    try:
        lines = [line.partition("  ") for line in sums.read_text(encoding="utf-8").splitlines()]
    except (FileNotFoundError, UnicodeDecodeError):
        return {}
    return {name: value for value, _, name in lines}


def _sums_missing(sums: Path) -> str:
    name, stage = _short(sums), _stage(sums)
    return f"which belongs into {name}; run `dvc checkout -f {name}`, `dvc pull {name}` or `dvc repro -f {stage}`"


def _stage(sums: Path) -> str:
    return sums.name.split(".")[0]


def names_in(sums: Path) -> list[str]:
    """List the files of which a file holds checksums.

    Raises:
        ArtifactError: It is missing or empty.
    """
    if not (listed := _read_sums(sums)):
        raise ArtifactError(f"{_short(sums)} is missing or empty; run `dvc repro`")
    return list(listed)


def verified(path: Path, sums: Path) -> Path:
    """Check that a file is what its writer wrote, and return its path.

    Args:
        path: The file.
        sums: Where its checksum is recorded: `<stage>.sums`, or `<stage>.<part>.sums`, in its folder or one above.

    Raises:
        ArtifactError: The file or its checksum is missing, or they do not belong together.
    """
    name = path.relative_to(sums.parent).as_posix()
    if not path.is_file():
        raise ArtifactError(f"{_short(path)} does not exist; run `dvc repro`")
    if (expected := _read_sums(sums).get(name)) is None:
        raise ArtifactError(f"{_short(path)}: its checksum is missing, {_sums_missing(sums)}")
    if checksum_of(path) != expected:
        raise ArtifactError(damaged(path, _stage(sums)))
    return path


def damaged(path: Path, stage: str) -> str:
    """Say that a file is not as a stage wrote it, and what can be done."""
    return (
        f"{_short(path)} is damaged, or was edited by hand: it is not what stage {stage!r} wrote.\n"
        f"- `dvc checkout -f {_short(path)}` brings back what was written, `dvc repro -f {stage}` writes it again.\n"
        "- If it is still damaged then, so is the copy in DVC's cache. `chmod -R u+w .dvc/cache` makes DVC check its\n"
        "  copies; then run `dvc fetch` if you have a remote, and `dvc repro`."
    )


def _short(path: Path) -> str:
    """Write a path relative to the current folder."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def check_partners(path: Path, keys: Collection[str], other: Path, others: Collection[str]) -> None:
    """Check that the file `path`, which has `keys`, has all that the file `other` names, which is `others`.

    Raises:
        ArtifactError: Some have no partner; the first ones are named.
    """
    known = set(keys)
    alone = [key for key in dict.fromkeys(others) if key not in known]
    if alone:
        shown = ", ".join(map(repr, alone[:3])) + (" ..." if len(alone) > 3 else "")
        missing = f"{_short(path)} lacks {len(alone)} of the {len(set(others))} that {_short(other)} names: {shown}"
        raise ArtifactError(f"{missing}; the files are of different runs; run `dvc repro`")


def write_text(path: Path, text: str, sums: Path | None = None) -> None:
    """Write UTF-8 text with Unix line ends, whole or not at all."""
    with replacing(path, sums=sums) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, content: object, sums: Path | None = None) -> None:
    """Write JSON with two spaces, keys in the order given, and record its checksum in `sums`.

    Raises:
        ArtifactError: A number is not finite.
    """
    try:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ArtifactError(f"{path}: a number is not finite: {error}") from error
    write_text(path, text + "\n", sums)


def read_json(path: Path, sums: Path | None = None) -> Any:  # noqa: ANN401 - the artifact's reader checks it
    """Read JSON, with its checksum compared to that in `sums`.

    Raises:
        ArtifactError: The file is missing, damaged or no JSON.
    """
    if sums is not None:
        verified(path, sums)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} does not exist; run `dvc repro`") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} is damaged, not JSON: {error}; run `dvc repro`") from error


def read_dataclass(root: Path, path: str, kind: type[D], sums: str, optional: Collection[str] = ()) -> D:
    """Read JSON that `write_json` made of a dataclass.

    Args:
        root: The repository.
        path: Of the file below it.
        kind: The dataclass, of which every field must be there.
        sums: Path of the file that holds its checksum.
        optional: Fields that may be left out, and then have their default.

    Raises:
        ArtifactError: The file is missing or no JSON, or its keys or their types are others.
    """
    content, keys = read_json(root / path, root / sums), {field.name for field in dataclasses.fields(kind)}
    if not isinstance(content, dict):
        raise ArtifactError(f"{path}: damaged: expected the keys {sorted(keys)}, found {content!r}; run `dvc repro`")
    missing, unknown = sorted(keys - content.keys() - set(optional)), sorted(content.keys() - keys)
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


def write_table(path: Path, table: pd.DataFrame, columns: Mapping[str, type], sums: Path | None = None) -> None:
    """Write a table as CSV after checking it.

    Args:
        path: The file.
        table: Its rows, in their final order.
        columns: Every column in its order, and its type: str, int or float.
        sums: Where to record its checksum.

    Raises:
        ArtifactError: Columns are missing, too many, in another order, of another type, or incomplete.
    """
    check_table(path, table, columns)
    with replacing(path, sums=sums) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


def read_table(path: Path, columns: Mapping[str, type], sums: Path | None = None) -> pd.DataFrame:
    """Read a table that `write_table` wrote; text is read as text (`NA` is a name, not a missing value).

    Raises:
        ArtifactError: The file is missing, or not as its writer declares it.
    """
    import pandas as pd

    if sums is not None:
        verified(path, sums)
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
