"""A store in a folder: sent once, fetched whole, and every refusal in words."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import fsspec
import pytest

from counterpoise.config import InputError
from counterpoise.engine import store
from counterpoise.engine.store import File, Store


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of two files."""
    for name, content in (("data/a.csv", b"a"), ("data/tiles/b.tar", b"b" * 1000)):
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_bytes(content)
    return tmp_path / "root"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"file://{tmp_path}/store"


def paths(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def sent(monkeypatch: pytest.MonkeyPatch, kept: Store) -> list[str]:
    """Note what is sent from now on."""
    noted: list[str] = []
    plain = type(kept._fs).put_file

    def put_file(self: Any, path: str, *arguments: Any, **options: Any) -> None:
        noted.append(Path(path).name)
        plain(self, path, *arguments, **options)

    monkeypatch.setattr(type(kept._fs), "put_file", put_file)
    return noted


def test_files_come_back_under_their_names(root: Path, url: str, tmp_path: Path) -> None:
    files = Store(url).put(root, paths(root))
    assert [(file.name, file.nbytes) for file in files] == [("data/a.csv", 1), ("data/tiles/b.tar", 1000)]
    for file in files:
        Store(url).get(file, tmp_path / "fetched")
        assert (tmp_path / "fetched").read_bytes() == (root / file.name).read_bytes()


def test_no_part_of_a_file_has_its_name_in_a_folder(
    root: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Store(url)
    plain, fails = type(kept._fs).put_file, [True, False]

    def put_file(self: Any, path: str, name: str, **options: Any) -> None:
        assert name.endswith(".part")
        plain(self, path, name, **options)
        if fails.pop(0):
            raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(type(kept._fs), "put_file", put_file)
    with pytest.raises(OSError, match="full"):
        kept.put(root, paths(root)[:1])
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    (file,) = kept.put(root, paths(root)[:1])
    assert [path.name for path in (tmp_path / "store").rglob("*") if path.is_file()] == [file.checksum]


def test_a_second_run_sends_only_what_has_changed(root: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = sent(monkeypatch, Store(url))
    Store(url).put(root, paths(root))
    assert sorted(noted) == ["a.csv", "b.tar"]
    Store(url).put(root, paths(root))
    assert len(noted) == 2
    (root / "data/a.csv").write_bytes(b"another")
    Store(url).put(root, paths(root))
    assert noted[2:] == ["a.csv"]


def test_equal_files_are_one_object(root: Path, url: str, tmp_path: Path) -> None:
    (root / "again.csv").write_bytes(b"a")
    files = Store(url).put(root, [root / "again.csv", root / "data/a.csv"])
    assert len({file.checksum for file in files}) == 1
    assert len(paths(tmp_path / "store")) == 1


def test_an_object_that_was_half_sent_is_sent_again(root: Path, url: str, tmp_path: Path) -> None:
    (file,) = Store(url).put(root, [root / "data/tiles/b.tar"])
    (there,) = paths(tmp_path / "store")
    there.write_bytes(b"b" * 10)
    Store(url).put(root, [root / "data/tiles/b.tar"])
    Store(url).get(file, tmp_path / "fetched")


def test_what_is_not_there_is_left_to_its_reader(root: Path, url: str) -> None:
    assert Store(url).put(root, [root / "data/c.csv"]) == []


def test_a_damaged_object_is_named(root: Path, url: str, tmp_path: Path) -> None:
    (file,) = Store(url).put(root, [root / "data/tiles/b.tar"])
    (there,) = paths(tmp_path / "store")
    there.write_bytes(b"b" * 999 + b"c")
    message = f"data/tiles/b.tar, as node 10.0.0.3 fetched it from COUNTERPOISE_STORE, '{url}', is damaged; remove the "
    with pytest.raises(InputError, match=re.escape(f"{message}object {file.checksum[:2]}/{file.checksum} there")):
        Store(url, "node 10.0.0.3").get(file, tmp_path / "fetched")


def test_a_missing_object_is_named(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"node 10\.0\.0\.3 does not find data/c\.csv in COUNTERPOISE_STORE, 'file:"):
        Store(url, "node 10.0.0.3").get(File("data/c.csv", "0" * 32, 1), tmp_path / "fetched")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("bucket/prefix", r"expected a URL, such as s3://bucket/prefix or file:///folder"),
        ("nosuch://bucket", r"Protocol not known: nosuch; expected a URL that fsspec knows"),
    ],
)
def test_what_is_no_store_is_refused(url: str, message: str) -> None:
    with pytest.raises(InputError, match=f"COUNTERPOISE_STORE is '{url}'.*{message}"):
        Store(url)


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(url: str, **options: Any) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", absent)
    with pytest.raises(InputError, match=r"node N lacks a package for it: Install s3fs .* 'counterpoise\[s3\]'"):
        Store("s3://bucket", "node N")


class NoCredentialsError(Exception):
    """As botocore has it, which is not imported here."""


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (FileNotFoundError("The specified bucket does not exist"), store.NO_SUCH),
        (PermissionError("Access Denied"), store.DENIED),
        (NoCredentialsError("Unable to locate credentials"), store.DENIED),
        (ConnectionRefusedError("nobody"), store.SILENT),
        (RuntimeError("of another kind"), store.SILENT),
    ],
)
def test_what_a_store_refuses_is_said_with_a_way_out(
    error: Exception, advice: str, root: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Store(url)

    def refuse(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(type(kept._fs), "put_file", refuse)
    found = f"this machine cannot use COUNTERPOISE_STORE, '{url}': {type(error).__name__}: {error}; {advice}"
    with pytest.raises(InputError, match=re.escape(found)):
        kept.put(root, paths(root))


def test_a_full_disk_under_the_store_names_it(root: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Store(url)

    def refuse(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(type(kept._fs), "put_file", refuse)
    with pytest.raises(OSError, match="No space left") as caught:
        kept.put(root, paths(root))
    assert caught.value.filename == url


def test_there_is_a_store_only_where_the_environment_names_one(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.delenv(store.STORE, raising=False)
    assert store.of_environment() is None
    monkeypatch.setenv(store.STORE, f"{url}/")
    found = store.of_environment()
    assert found is not None
    assert found.url == url
