"""What a node keeps of a repository: fetched once for all its processes, and bounded by its disk."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from counterpoise.config import InputError
from counterpoise.engine import mirror, ray_worker
from counterpoise.engine.mirror import Mirror
from counterpoise.engine.store import File, Store


class Counting(Store):
    """A store that notes what is fetched."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.fetched: list[str] = []

    def get(self, file: File, path: Path) -> None:
        self.fetched.append(file.name)
        super().get(file, path)


@pytest.fixture
def kept(tmp_path: Path) -> Counting:
    return Counting(f"file://{tmp_path}/store")


@pytest.fixture
def files(tmp_path: Path, kept: Counting) -> list[File]:
    """Three files of 1000 bytes in the store."""
    for name in "abc":
        path = tmp_path / "root/data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 1000)
    return kept.put(tmp_path / "root", (tmp_path / "root/data").iterdir())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "node").mkdir()
    return tmp_path / "node"


def shown(of: Mirror) -> dict[str, str]:
    return {path.relative_to(of.root).as_posix(): path.read_text()[0] for path in of.root.rglob("*") if path.is_file()}


def objects(place: Path) -> int:
    return len(list((place / "objects").iterdir()))


def test_files_lie_where_they_do_in_the_repository(place: Path, files: list[File], kept: Counting) -> None:
    own = Mirror(place)
    own.show(files, kept)
    assert shown(own) == {"data/a": "a", "data/b": "b", "data/c": "c"}


def test_only_what_is_read_now_is_shown_and_nothing_is_fetched_twice(
    place: Path, files: list[File], kept: Counting
) -> None:
    own = Mirror(place)
    for some in (files[:2], files[1:], files[:2]):
        own.show(some, kept)
        assert set(shown(own)) == {file.name for file in some}
    Mirror(place).show(files, kept)
    assert sorted(kept.fetched) == ["data/a", "data/b", "data/c"]


def test_a_file_that_has_changed_is_shown_anew(place: Path, files: list[File], kept: Counting) -> None:
    own = Mirror(place)
    own.show(files[:1], kept)
    own.show([File("data/a", files[1].checksum, files[1].nbytes)], kept)
    assert shown(own) == {"data/a": "b"}


def test_several_at_a_time_fetch_it_once(place: Path, files: list[File], kept: Counting) -> None:
    mirrors = [Mirror(place) for _ in range(8)]
    threads = [threading.Thread(target=own.show, args=(files, kept)) for own in mirrors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(shown(own)) == 3 for own in mirrors)
    assert sorted(kept.fetched) == ["data/a", "data/b", "data/c"]


def test_what_is_damaged_is_not_kept(place: Path, files: list[File], kept: Counting, tmp_path: Path) -> None:
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file():
            path.write_bytes(b"x" * 1000)
    own = Mirror(place)
    with pytest.raises(InputError, match="is damaged"):
        own.show(files, kept)
    assert shown(own) == {}
    assert objects(place) == 0


def test_a_disk_that_gets_full_loses_what_was_used_longest_ago_and_is_not_in_use(
    place: Path, files: list[File], kept: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = Mirror(place), Mirror(place)
    one.show(files[:1], kept)
    for number, file in enumerate(files[1:]):
        other.show([file], kept)
        os.utime(place / "objects" / file.checksum, (number, number))
    other.show([], kept)
    usage = SimpleNamespace(total=10_000, free=200)  # 800 bytes short of a tenth, and half as much again: two objects
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    kept.fetched.clear()
    one.show(files[:1], kept)
    assert objects(place) == 1
    one.show(files, kept)
    assert sorted(kept.fetched) == ["data/b", "data/c"]


def test_the_mirror_of_a_process_that_was_killed_is_removed(place: Path, files: list[File], kept: Counting) -> None:
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_shows_and_is_killed, args=(place, files, kept))
    process.start()
    process.join(60)
    assert len(list((place / "mirrors").glob("*.lock"))) == 1
    own = Mirror(place)
    assert [path.stem for path in (place / "mirrors").glob("*.lock")] == [own.root.name]
    assert [path for path in (place / "mirrors").iterdir() if path.is_dir()] == [own.root]


def _shows_and_is_killed(place: Path, files: list[File], kept: Counting) -> None:
    Mirror(place).show(files, kept)
    os.kill(os.getpid(), 9)


def test_the_folder_of_somebody_else_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mirror.folder()
    own = os.getuid()
    (tmp_path / f"counterpoise-{own}").rename(tmp_path / f"counterpoise-{own + 1}")
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    with pytest.raises(InputError, match="belongs to another user; remove it, or set TMPDIR before `ray start`"):
        mirror.folder()


def contents(root: Path, names: Sequence[str]) -> Iterator[str]:
    assert Path.cwd() == root
    yield from (f"{(root / name).read_text()[0]}{Path(name).read_text()[0]}" for name in names)


@pytest.fixture
def setup(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kept: Counting) -> Iterator[Any]:
    """What a driver would send to a node that does not see its folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUNTERPOISE_CPUS", "1")
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setattr(ray_worker, "_functions", {})
    root = tmp_path / "root"
    function = ray_worker.pickled(partial(contents, root), root)
    yield ray_worker.Setup(("a", function), str(root), "", kept.url, "__main__", ray_worker.Needs(1, 0))
    ray_worker._mirror.cache_clear()
    ray_worker._store.cache_clear()


def test_a_process_computes_with_the_files_it_was_told_of(setup: Any, files: list[File], tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "root")
    work = ray_worker.pickled((["data/c", "data/a"], files), tmp_path / "root")
    (parcel,) = ray_worker.compute(pickle.dumps(setup), work, "10.0.0.3")
    assert [pickle.loads(result) for result in pickle.loads(parcel).content] == ["cc", "aa"]


def test_a_full_disk_names_folder_and_node(
    setup: Any, files: list[File], place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(type(Store(setup.store)._fs), "get_file", refuse)
    work = ray_worker.pickled((["data/c"], files), tmp_path / "root")
    (parcel,) = ray_worker.compute(pickle.dumps(setup), work, "10.0.0.3")
    error = pickle.loads(parcel).content
    assert isinstance(error, OSError)
    assert error.errno == errno.ENOSPC
    assert error.filename == f"{place}/counterpoise-{os.getuid()}/objects on node 10.0.0.3"
