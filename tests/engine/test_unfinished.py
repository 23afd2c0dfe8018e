"""Batches that are done are kept, and nothing that a kill or a power cut damaged is used."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from counterpoise.engine import unfinished

BATCHES = [np.arange(size * 3, dtype=np.float32).reshape(size, 3) + size for size in (4, 4, 3)]


def kept(folder: Path) -> unfinished.Rows:
    rows = unfinished.Rows(folder)
    for batch in BATCHES[rows.batches :]:
        rows.append(batch)
    return rows


def test_rows_are_there_again_in_their_order(tmp_path: Path) -> None:
    first = unfinished.Rows(tmp_path / "rows")
    first.append(BATCHES[0])
    again = unfinished.Rows(tmp_path / "rows")
    assert (again.batches, again.count) == (1, 4)
    again.append(BATCHES[1])
    np.testing.assert_array_equal(unfinished.Rows(tmp_path / "rows").read(), np.concatenate(BATCHES[:2]))


def test_without_a_row_there_is_an_array_of_no_rows(tmp_path: Path) -> None:
    rows = unfinished.Rows(tmp_path / "rows")
    rows.append(np.zeros((0, 5), dtype=np.float32))
    assert rows.read().shape == (0, 5)


DAMAGES: dict[str, tuple[str, Callable[[bytes], bytes], int]] = {
    "a batch without its line": ("log", lambda data: b"".join(data.splitlines(keepends=True)[:2]), 2),
    "half a line": ("log", lambda data: data[:-9], 2),
    "a line without its end": ("log", lambda data: data[:-1], 2),
    "an empty log": ("log", lambda data: b"", 0),
    "a line of zeros": ("log", lambda data: bytes(len(data)), 0),
    "half a batch": ("values", lambda data: data[:-8], 2),
    "a batch of zeros": ("values", lambda data: data[:48] + bytes(48) + data[96:], 1),
    "no values": ("values", lambda data: b"", 0),
}


@pytest.mark.parametrize(("file", "damage", "intact"), DAMAGES.values(), ids=list(DAMAGES))
def test_what_follows_the_last_intact_batch_is_computed_again(
    file: str, damage: Callable[[bytes], bytes], intact: int, tmp_path: Path
) -> None:
    whole = kept(tmp_path / "rows").read()
    path = tmp_path / "rows" / file
    path.write_bytes(damage(path.read_bytes()))
    assert unfinished.Rows(tmp_path / "rows").batches == intact
    np.testing.assert_array_equal(kept(tmp_path / "rows").read(), whole)
    assert unfinished.Rows(tmp_path / "rows").batches == len(BATCHES)


def test_work_is_found_by_its_stage_parameters_and_inputs(tmp_path: Path) -> None:
    (tmp_path / "input").write_text("a")
    places = [
        unfinished.place(tmp_path, stage, parameters, [tmp_path / "input"])
        for stage, parameters in (
            ("embed", {"a": 1}),
            ("embed", {"a": 1}),
            ("embed", {"px": 2}),
            ("train", {"px": 1}),
        )
    ]
    assert places[0] == places[1]
    assert len(set(places)) == 3
    (tmp_path / "input").write_text("longer")
    assert unfinished.place(tmp_path, "embed", {"a": 1}, [tmp_path / "input"]) not in places


def test_removing_spares_the_work_of_another_stage(tmp_path: Path) -> None:
    for stage in ("embed", "train"):
        unfinished.place(tmp_path, stage, {}, []).mkdir(parents=True)
    unfinished.remove_all(tmp_path, "embed")
    assert [path.name[:5] for path in (tmp_path / unfinished.FOLDER).iterdir()] == ["train"]
    unfinished.remove_all(tmp_path, "train")
    assert not (tmp_path / unfinished.FOLDER).exists()
