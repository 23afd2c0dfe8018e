"""A store at S3: what its package raises there, in words."""

from __future__ import annotations

import importlib.util
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import s3

from counterpoise.config import InputError
from counterpoise.engine import store
from counterpoise.engine.store import Store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("s3fs") is None, reason="s3fs is not installed: counterpoise[s3]"),
]
URL = f"s3://{s3.BUCKET}/prefix"


@pytest.fixture(scope="module")
def variables() -> Iterator[dict[str, str]]:
    with s3.served() as found:
        yield found


@pytest.fixture
def environment(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    import s3fs

    monkeypatch.setenv("HOME", str(tmp_path))  # no credentials of the person who runs this
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_bytes(b"a" * 1000)
    return tmp_path / "a.csv"


def test_a_file_comes_back(environment: None, file: Path, tmp_path: Path) -> None:
    (sent,) = Store(URL).put(tmp_path, [file])
    assert Store(URL).put(tmp_path, [file]) == [sent]
    Store(URL).get(sent, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == file.read_bytes()


def test_a_bucket_that_does_not_exist_is_said_and_not_made(environment: None, file: Path, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(
            InputError, match=f"'s3://another/prefix': FileNotFoundError: .*; {re.escape(store.NO_SUCH)}"
        ):
            Store("s3://another/prefix").put(tmp_path, [file])


def test_an_object_that_was_removed_is_said(environment: None, file: Path, tmp_path: Path) -> None:
    (sent,) = Store(URL).put(tmp_path, [file])
    with pytest.raises(InputError, match=r"node N does not find a\.csv in COUNTERPOISE_STORE"):
        Store(f"s3://{s3.BUCKET}/elsewhere", "node N").get(sent, tmp_path / "fetched")


def test_without_credentials_it_is_said_where_they_belong(
    environment: None, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(InputError, match=f"NoCredentialsError: .*; {re.escape(store.DENIED)}"):
        Store(URL).put(tmp_path, [file])


def test_an_address_where_nobody_answers_is_said_soon(
    environment: None, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    begun_s = time.monotonic()
    with pytest.raises(InputError, match=f"Could not connect to the endpoint URL: .*; {re.escape(store.SILENT)}"):
        Store(URL).put(tmp_path, [file])
    assert time.monotonic() - begun_s < 30
