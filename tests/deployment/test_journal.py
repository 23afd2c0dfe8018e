"""An interrupted file goes on; rows of other settings, and files that are there, are left alone."""

from pathlib import Path

import pytest

from counterpoise.config import InputError
from counterpoise.deployment import journal

SETTINGS = {"model": "a", "section tile": {"size_px": 64}}


def test_a_run_that_was_killed_goes_on_behind_its_last_whole_row(tmp_path: Path) -> None:
    out = tmp_path / "new" / "found.csv"
    with journal.opened(out, SETTINGS) as kept:
        kept.append({"image": "a.png", "probs": {}})
        kept.append({"image": "b.png", "error": "broken"})
    part = out.with_name("found.csv.part")
    part.write_bytes(part.read_bytes() + b'{"image": "c.png", "pro')
    with journal.opened(out, SETTINGS) as kept:
        assert kept.done == {"a.png", "b.png"}
        assert kept.failed == 1
        kept.append({"image": "\udcff.png"})
        assert [row["image"] for row in kept.rows()] == ["a.png", "b.png", "\udcff.png"]
        kept.remove()
    assert list(out.parent.iterdir()) == []


def test_other_settings_are_refused_by_name_and_the_rows_stay(tmp_path: Path) -> None:
    out = tmp_path / "found.csv"
    with journal.opened(out, SETTINGS) as kept:
        kept.append({"image": "a.png"})
    before = kept.path.read_bytes()
    message = "rows of an interrupted run with another model, section tile"
    with pytest.raises(InputError, match=message), journal.opened(out, {"model": "b"}):
        pass
    assert kept.path.read_bytes() == before


def test_what_exists_and_what_another_run_writes_is_left_as_it_is(tmp_path: Path) -> None:
    out = tmp_path / "found.csv"
    message = "another run is writing"
    with journal.opened(out, SETTINGS), pytest.raises(InputError, match=message), journal.opened(out, SETTINGS):
        pass
    out.write_text("mine")
    with pytest.raises(InputError, match="already exists, and is left unchanged"), journal.opened(out, SETTINGS):
        pass
    assert out.read_text() == "mine"


@pytest.mark.parametrize("content", ["my notes\n", '{"image": "a.png"}\n'])
def test_a_foreign_file_beside_it_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "found.csv.part").write_text(content)
    with pytest.raises(InputError, match="is not of `counterpoise predict`"):
        journal.Journal(tmp_path / "found.csv", SETTINGS)
    assert (tmp_path / "found.csv.part").read_text() == content


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    kept = journal.Journal(tmp_path / "found.csv", SETTINGS)
    kept.path = full
    with pytest.raises(OSError, match="No space left") as caught:
        kept.append({"image": "a.png"})
    assert caught.value.filename == "/dev/full"
