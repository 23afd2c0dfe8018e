import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise import storage
from counterpoise.storage import ArtifactError

TEXT = {"name": str, "other": str}
MIXED = {"name": str, "count": int, "share": float}

DYING = """
import sys, time
from pathlib import Path
from counterpoise import storage

path, folder = Path(sys.argv[1]), sys.argv[2] == "folder"
with storage.replacing(path, folder=folder) as temporary:
    (temporary / "a" if folder else temporary).write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""

HURRYING = """
import sys
from pathlib import Path
from counterpoise import storage

path, folder, name = Path(sys.argv[1]), sys.argv[2] == "folder", sys.argv[3]
print("ready", flush=True)
sys.stdin.readline()
for _ in range(100):
    with storage.replacing(path, folder=folder) as temporary:
        for number in range(5):
            (temporary / f"{number}" if folder else temporary).write_text(name * 1000)
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def put(temporary: Path, text: str, folder: bool) -> None:
    (temporary / "a" if folder else temporary).write_text(text)


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def content(path: Path) -> dict[str, str]:
    files = [path] if path.is_file() else sorted(path.iterdir())
    return {file.name: file.read_text() for file in files}


both = pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])


@both
def test_an_artifact_appears_whole_at_the_end_and_replaces_the_old_one(tmp_path, folder):
    path = tmp_path / "deep" / "artifact"
    for text in ("old", "new"):
        with storage.replacing(path, folder=folder) as temporary:
            put(temporary, text, folder)
            assert not path.exists() or list(content(path).values()) == ["old"]
        assert list(content(path).values()) == [text]
        assert listed(path.parent) == ["artifact"]


@both
def test_a_body_that_raises_leaves_the_old_artifact_and_nothing_else(tmp_path, folder):
    path = tmp_path / "artifact"
    with storage.replacing(path, folder=folder) as temporary:
        put(temporary, "old", folder)

    def interrupted() -> None:
        with storage.replacing(path, folder=folder) as temporary:
            put(temporary, "half", folder)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(content(path).values()) == ["old"]
    assert listed(tmp_path) == ["artifact"]


def failing(error: Exception, folder: bool) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with storage.replacing(path, folder=folder) as temporary:
            put(temporary, "half", folder)
            raise error

    return write


@both
def test_a_full_disk_is_told_with_the_path_and_leaves_nothing(tmp_path, folder):
    with pytest.raises(OSError, match="No space") as caught:
        failing(OSError(errno.ENOSPC, "No space left on device"), folder)(tmp_path / "artifact")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "artifact"))
    assert listed(tmp_path) == []


def test_a_full_disk_is_recognised_behind_errors_that_do_not_say_so(tmp_path, monkeypatch):
    safetensors = Exception("Error while serializing: I/O error: No space left on device (os error 28)")
    numpy = OSError("400000 requested and 262016 written")
    for error, free, number in ((safetensors, 2**40, errno.ENOSPC), (numpy, 0, errno.ENOSPC), (numpy, 2**40, None)):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: SimpleNamespace(free=free))
        with pytest.raises(OSError, match=r"No space|requested") as caught:
            failing(error, folder=False)(tmp_path / "artifact")
        assert (caught.value.errno, caught.value.filename) == (number, number and str(tmp_path / "artifact"))
    with pytest.raises(ArtifactError, match="stands twice"):
        failing(ArtifactError("stands twice"), folder=False)(tmp_path / "artifact")
    assert listed(tmp_path) == []


def test_errors_name_the_artifact_and_not_the_temporary_file_but_leave_other_names(tmp_path):
    def read_another(path: Path) -> None:
        with storage.replacing(path):
            (tmp_path / "absent").read_bytes()

    def write_below(path: Path) -> None:
        with storage.replacing(path, folder=True) as temporary:
            (temporary / "deep" / "file").write_text("x")

    for write, name in ((read_another, "absent"), (write_below, "artifact")):
        with pytest.raises(FileNotFoundError) as caught:
            write(tmp_path / "artifact")
        assert caught.value.filename in (str(tmp_path / name), tmp_path / name)
    assert listed(tmp_path) == []


@both
def test_a_killed_writer_leaves_the_old_artifact_and_the_next_writer_clears_up(tmp_path, folder):
    path = tmp_path / "artifact"
    with storage.replacing(path, folder=folder) as temporary:
        put(temporary, "old", folder)
    child = start(DYING, path, "folder" if folder else "file")
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "writing\n"
        child.send_signal(signal.SIGKILL)
    assert list(content(path).values()) == ["old"]
    assert len(listed(tmp_path)) == 2
    with storage.replacing(path, folder=folder) as temporary:
        assert listed(tmp_path) == sorted(["artifact", temporary.name])
        put(temporary, "new", folder)
    assert list(content(path).values()) == ["new"]
    assert listed(tmp_path) == ["artifact"]


@both
def test_a_killed_first_writer_leaves_no_artifact(tmp_path, folder):
    child = start(DYING, tmp_path / "artifact", "folder" if folder else "file")
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "writing\n"
        child.send_signal(signal.SIGKILL)
    assert not (tmp_path / "artifact").exists()


@both
def test_of_two_overlapping_writers_the_one_that_ends_last_wins_whole(tmp_path, folder):
    path = tmp_path / "artifact"
    with storage.replacing(path, folder=folder) as first:
        with storage.replacing(path, folder=folder) as second:
            put(first, "first", folder)
            put(second, "second", folder)
        assert list(content(path).values()) == ["second"]
    assert list(content(path).values()) == ["first"]
    assert listed(tmp_path) == ["artifact"]


@both
def test_processes_that_write_at_the_same_time_do_not_mix_and_none_fails(tmp_path, folder):
    path = tmp_path / "artifact"
    children = [start(HURRYING, path, "folder" if folder else "file", name) for name in "abc"]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        with child:
            assert child.wait(timeout=30) == 0
    found = content(path)
    assert set(found) == ({"0", "1", "2", "3", "4"} if folder else {"artifact"})
    assert set(found.values()) in [{name * 1000} for name in "abc"]
    assert listed(tmp_path) == ["artifact"]


def test_the_old_folder_is_removed_only_once_the_new_one_stands(tmp_path, monkeypatch):
    path = tmp_path / "artifact"
    seen = []
    remove = storage._remove

    def watched(old: Path) -> None:
        seen.append(content(path))
        remove(old)

    monkeypatch.setattr(storage, "_remove", watched)
    for text in ("old", "new"):
        with storage.replacing(path, folder=True) as temporary:
            put(temporary, text, folder=True)
    assert seen == [{"a": "new"}]


def test_a_folder_takes_the_place_of_a_file_and_of_a_link(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "file").write_text("old")
    for name in ("link", "file"):
        with storage.replacing(tmp_path / name, folder=True) as temporary:
            put(temporary, "new", folder=True)
        assert content(tmp_path / name) == {"a": "new"}
        assert not (tmp_path / name).is_symlink()
    assert listed(tmp_path) == ["file", "link", "target"]


def test_temporaries_of_living_processes_and_of_other_artifacts_are_left_alone(tmp_path):
    others = [f".artifact.{os.getppid()}.00.tmp", ".artifact.csv.999999999.00.tmp", ".artifact.words.tmp"]
    for name in others:
        (tmp_path / name).touch()
    storage.write_text(tmp_path / "artifact", "text")
    assert listed(tmp_path) == sorted([*others, "artifact"])


NAMES = [
    "NA",
    "null",
    "None",
    "nan",
    "",
    " ",
    "a,b",
    'say "x"',
    "two\nlines",
    "x\ry",
    "x\r\ny",
    "Dächer 🏠",
    "\ufeff",
    "1",
]


def test_tables_with_odd_names_are_read_back(tmp_path):
    table = pd.DataFrame({"name": NAMES, "other": NAMES[::-1]})
    storage.write_table(tmp_path / "t.csv", table, TEXT)
    assert storage.read_table(tmp_path / "t.csv", TEXT).to_numpy().tolist() == table.to_numpy().tolist()


cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.tuples(cells, st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))))
def test_every_table_is_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "every.csv"
    table = pd.DataFrame(rows, columns=list(MIXED)).astype({"count": "int64", "share": "float64"})
    storage.write_table(path, table, MIXED)
    found = storage.read_table(path, MIXED)
    assert [tuple(row) for row in found.to_numpy().tolist()] == rows
    assert found["count"].dtype == np.int64
    assert found["share"].dtype == np.float64


@given(st.lists(cells))
def test_every_single_column_is_read_back(tmp_path_factory, names):
    path = tmp_path_factory.getbasetemp() / "single.csv"
    storage.write_table(path, pd.DataFrame({"name": pd.Series(names, dtype=object)}), {"name": str})
    assert storage.read_table(path, {"name": str})["name"].tolist() == names


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": ["a"], "count": [1]}, "found columns"),
        ({"count": [1], "name": ["a"], "share": [0.5]}, "found columns"),
        ({"name": ["a"], "count": [1], "share": [0.5], "more": [1]}, "found columns"),
        ({"name": [1], "count": [1], "share": [0.5]}, "'name' should hold str"),
        ({"name": [None], "count": [1], "share": [0.5]}, "'name' should hold str"),
        ({"name": ["a"], "count": [1.5], "share": [0.5]}, "'count' should hold int"),
        ({"name": ["a"], "count": [True], "share": [0.5]}, "'count' should hold int"),
        ({"name": ["a"], "count": [1], "share": [np.nan]}, "'share' should hold float"),
        ({"name": ["a"], "count": [1], "share": [1]}, "'share' should hold float"),
    ],
)
def test_a_wrong_table_is_not_written(tmp_path, table, message):
    with pytest.raises(ArtifactError, match=message):
        storage.write_table(tmp_path / "t.csv", pd.DataFrame(table), MIXED)
    assert listed(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a table"),
        ("name,count\na,1\n", "found columns"),
        ("count,name,share\n1,a,0.5\n", "found columns"),
        ("name,count,share\na,1.5,0.5\n", "'count' should hold int"),
        ("name,count,share\na,,0.5\n", "'count' should hold int"),
        ("name,count,share\na,99999999999999999999,0.5\n", "'count' should hold int"),
        ("name,count,share\na,1,many\n", "'share' should hold float"),
        ("name,count,share\na,1\n", "'share' should hold float"),
        ("name,count,share\na,1,0.5,2\n", "more cells than the 3 columns"),
        ("name,count,share\na,1,0.5\nb,2,0.25,3\n", "not a table"),
        ('name,count,share\n"a,1,0.5\n', "not a table"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ArtifactError, match=message):
        storage.read_table(tmp_path / "t.csv", MIXED)


def test_a_table_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes("name,other\né,b\n".encode("latin-1"))
    with pytest.raises(ArtifactError, match="not a table"):
        storage.read_table(tmp_path / "t.csv", TEXT)


@pytest.mark.parametrize("read", [storage.read_json, lambda path: storage.read_table(path, TEXT)])
def test_a_missing_file_says_what_to_run(tmp_path, read):
    with pytest.raises(ArtifactError, match=r"does not exist; run `dvc repro`"):
        read(tmp_path / "absent")


def test_rows_that_repeat_a_key_are_named():
    table = pd.DataFrame({"name": ["a", "b", "a"], "other": ["x", "x", "y"]})
    storage.check_unique(Path("t.csv"), table, ["name", "other"])
    with pytest.raises(ArtifactError, match=r"t.csv: \['name'\] occur twice: \['a'\]"):
        storage.check_unique(Path("t.csv"), table, ["name"])
    with pytest.raises(ArtifactError, match=r"there is no column \['key'\]"):
        storage.check_unique(Path("t.csv"), table, ["key"])


def test_json_keeps_its_order_its_letters_and_its_numbers(tmp_path):
    content = {"b": [1, 0.1, 1e-300], "a": {"é": None, "🏠": True}}
    storage.write_json(tmp_path / "a.json", content)
    assert list(storage.read_json(tmp_path / "a.json")) == ["b", "a"]
    assert storage.read_json(tmp_path / "a.json") == content
    assert "é" in (tmp_path / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_holds_no_number_that_is_not_finite(tmp_path, number):
    with pytest.raises(ArtifactError, match=r"a\.json: a number is not finite"):
        storage.write_json(tmp_path / "a.json", {"a": number})
    assert listed(tmp_path) == []


@pytest.mark.parametrize("data", [b"", b'{"a": 1', b"\xff\xfe", b"word"])
def test_damaged_json_is_refused(tmp_path, data):
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(ArtifactError, match="not JSON"):
        storage.read_json(tmp_path / "a.json")


@dataclass(frozen=True)
class Part:
    values: tuple[float, ...]


@dataclass(frozen=True)
class Whole:
    parts: tuple[Part, ...]
    count: int
    limit: float | None = None


WHOLE = Whole((Part((0.1 + 0.2, 1e-300)), Part(())), 3)


def test_a_dataclass_comes_back_from_json_as_it_was(tmp_path):
    storage.write_json(tmp_path / "a.json", asdict(WHOLE), tmp_path / "make.sums")
    assert storage.read_dataclass(tmp_path, "a.json", Whole, "make.sums") == WHOLE


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"count": "3"}, "count is '3'; input should be a valid integer"),
        ({"count": True}, "count is True; input should be a valid integer"),
        ({"parts": [{"values": [1.0, "x"]}]}, r"parts\.0\.values\.1 is 'x'; input should be a valid number"),
        ({"parts": [{}]}, r"parts\.0\.values is \{\}; field required"),
        ({"more": 1}, r"missing keys \[\], unknown keys \['more'\]"),
    ],
)
def test_a_dataclass_with_a_key_of_another_type_is_refused_with_its_place_and_the_way_out(tmp_path, damage, message):
    storage.write_json(tmp_path / "a.json", asdict(WHOLE) | damage, tmp_path / "make.sums")
    with pytest.raises(ArtifactError, match=rf"^a\.json: damaged: {message}.*; run `dvc repro`$"):
        storage.read_dataclass(tmp_path, "a.json", Whole, "make.sums")


def test_a_field_is_missed_even_where_the_dataclass_has_a_default(tmp_path):
    storage.write_json(tmp_path / "a.json", {"parts": [], "count": 1}, tmp_path / "make.sums")
    with pytest.raises(ArtifactError, match=r"missing keys \['limit'\], unknown keys \[\]"):
        storage.read_dataclass(tmp_path, "a.json", Whole, "make.sums")
    storage.write_json(tmp_path / "a.json", ["parts"], tmp_path / "make.sums")
    with pytest.raises(ArtifactError, match=r"expected the keys \['count', 'limit', 'parts'\], found \['parts'\]"):
        storage.read_dataclass(tmp_path, "a.json", Whole, "make.sums")


def test_a_checksum_is_that_of_the_reference_implementation(tmp_path):
    assert storage.checksum(b"") == "99aa06d3014798d86001c324468d497f"  # published with XXH3
    (tmp_path / "large").write_bytes(bytes(range(256)) * 9000)
    assert storage.checksum_of(tmp_path / "large") == storage.checksum(bytes(range(256)) * 9000)


@both
def test_a_writer_records_checksums_that_its_reader_compares(tmp_path, folder):
    path = tmp_path / "artifact"
    sums = (path if folder else tmp_path) / "make.sums"
    file = path / "a" if folder else path
    for text in ("old", "new"):
        with storage.replacing(path, folder=folder, sums=sums) as temporary:
            put(temporary, text, folder)
        assert storage.verified(file, sums).read_text() == text
        assert sums.read_text() == f"{storage.checksum(text.encode())}  {file.name}\n"
    file.write_text("edited")
    with pytest.raises(ArtifactError, match=r"or was edited by hand: it is not what stage 'make' wrote") as told:
        storage.verified(file, sums)
    for way in ("`dvc checkout -f ", "`dvc repro -f make`", "`dvc fetch`", "`chmod -R u+w .dvc/cache`"):
        assert way in str(told.value)


def test_without_its_checksum_a_file_is_not_read_and_the_file_of_sums_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.json", "b.json"):
        storage.write_json(tmp_path / name, {}, tmp_path / "make.sums")
    storage.write_json(tmp_path / "c.json", {})
    for path in ("a.json", "b.json"):
        assert storage.read_json(tmp_path / path, tmp_path / "make.sums") == {}
    with pytest.raises(ArtifactError, match=r"^c\.json: its checksum is missing, .* `dvc pull make\.sums` or `dvc"):
        storage.read_json(tmp_path / "c.json", tmp_path / "make.sums")


def test_what_one_file_names_and_another_lacks_is_told():
    storage.check_partners(Path("a.csv"), ["x", "y", "z"], Path("b.csv"), ["x", "x", "z"])
    message = r"^a\.csv lacks 4 of the 5 that b\.csv names: 'p', 'q', 'r' \.\.\.; .* run `dvc repro`$"
    with pytest.raises(ArtifactError, match=message):
        storage.check_partners(Path("a.csv"), ["x", "y"], Path("b.csv"), ["p", "x", "q", "r", "s", "p"])


@both
def test_where_nothing_can_be_written_the_artifact_is_named_and_not_the_temporary_file(tmp_path, monkeypatch, folder):
    name = "mkdir" if folder else "touch"
    make = getattr(Path, name)

    def refuse(self: Path, *arguments: object, **settings: object) -> None:
        if self.suffix == ".tmp":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))
        make(self, *arguments, **settings)

    monkeypatch.setattr(Path, name, refuse)
    monkeypatch.setattr(Path, "unlink", refuse)  # on a read-only file system, even of a file that is not there
    written = []
    with pytest.raises(OSError, match="Read-only") as caught, storage.replacing(tmp_path / "artifact", folder=folder):
        written.append("never")
    assert not written
    assert caught.value.filename == str(tmp_path / "artifact")


@both
def test_content_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch, folder):
    path, synced = tmp_path / "artifact", []

    def note(number: int) -> None:
        synced.append((Path(f"/proc/self/fd/{number}").readlink(), path.exists()))

    monkeypatch.setattr(os, "fsync", note)
    with storage.replacing(path, folder=folder) as temporary:
        put(temporary, "new", folder)
    assert [(file == (temporary / "a" if folder else temporary), there) for file, there in synced] == [(True, False)]
