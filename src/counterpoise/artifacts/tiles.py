"""`data/tiles/<split>/`: encoded tiles in tar shards, and `tiles.csv`, which says where each of them lies."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from counterpoise import storage

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "data/tiles"
INDEX = "tiles.csv"
SHARD_BYTES = 256 * 2**20
COLUMNS = {
    "tile_id": str,  # `<image_id>` for a whole image, `<image_id>@<x0>,<y0>` for a window
    "image_id": str,
    "labels": str,  # of the tile, joined by `|`
    "x0_px": int,  # window in the image: left and top inclusive, right and bottom exclusive
    "y0_px": int,
    "x1_px": int,
    "y1_px": int,
    "shard": str,  # file name of the tar
    "offset": int,  # of the encoded tile inside the tar, in bytes
    "nbytes": int,
    "checksum": str,  # of these bytes
}


@dataclass(frozen=True)
class Tile:
    """One tile on its way into a shard: its row without place, and its encoded bytes."""

    tile_id: str
    image_id: str
    labels: str
    window: tuple[int, int, int, int]
    data: bytes


@dataclass(frozen=True)
class Tiles:
    """The tiles of one split.

    Attributes:
        table: One row per tile, columns as declared.
        folder: Where the shards lie.
    """

    table: pd.DataFrame
    folder: Path

    def __len__(self) -> int:
        """Count the tiles."""
        return len(self.table)

    def __getitem__(self, portion: slice) -> Tiles:
        """Take some rows of the table."""
        return Tiles(self.table.iloc[portion].reset_index(drop=True), self.folder)

    @property
    def index(self) -> Path:
        """Where the table lies."""
        return self.folder / INDEX

    @property
    def shards(self) -> list[Path]:
        """Where the tiles of these rows lie."""
        return [self.folder / shard for shard in self.table["shard"].unique()]

    def load(self, row: int) -> bytes:
        """Read the encoded bytes of the tile in row `row` of the table.

        Raises:
            storage.ArtifactError: Its shard is missing, too short, or holds other bytes there.
        """
        shard = self.folder / str(self.table["shard"].iat[row])
        offset, nbytes = (int(self.table[name].to_numpy()[row]) for name in ("offset", "nbytes"))
        try:
            with shard.open("rb") as file:
                data = os.pread(file.fileno(), nbytes, offset)
        except FileNotFoundError as error:
            raise storage.ArtifactError(f"{shard} does not exist; run `dvc checkout`, or `dvc repro`") from error
        if len(data) != nbytes or storage.checksum(data) != self.table["checksum"].iat[row]:
            tile_id = self.table["tile_id"].iat[row]
            raise storage.ArtifactError(f"tile {tile_id!r}: {storage.damaged(shard, 'tile')}")
        return data


def path(split: str) -> str:
    """Path of a split's folder below the repository."""
    return f"{FOLDER}/{split}"


def sums_path(split: str) -> str:
    """Path of the checksum of its index, which holds those of the tiles."""
    return f"{FOLDER}/{split}/tile.sums"


@contextmanager
def writing(root: Path, split: str, *, shard_bytes: int = SHARD_BYTES) -> Iterator[Callable[[Tile], None]]:
    """Give a function that appends one tile; the folder appears at the end, whole.

    Args:
        root: The repository.
        split: train, val or test.
        shard_bytes: A new shard begins once this many bytes are written.

    Raises:
        storage.ArtifactError: A tile occurs twice.
    """
    import pandas as pd

    rows: list[tuple[object, ...]] = []
    with storage.replacing(root / path(split), folder=True) as folder:
        archive: tarfile.TarFile | None = None
        file: IO[bytes] | None = None

        def append(tile: Tile) -> None:
            nonlocal archive, file
            if archive is None or file is None or file.tell() >= shard_bytes:
                _close(archive, file)
                number = len({row[7] for row in rows})
                file = (folder / f"shard-{number:05d}.tar").open("wb")
                archive = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - `_close` does
            entry = tarfile.TarInfo(tile.tile_id)
            entry.size = len(tile.data)
            archive.addfile(entry, io.BytesIO(tile.data))
            padding = -len(tile.data) % tarfile.BLOCKSIZE
            offset = file.tell() - padding - len(tile.data)
            shard = Path(file.name).name
            place = (shard, offset, len(tile.data), storage.checksum(tile.data))
            rows.append((tile.tile_id, tile.image_id, tile.labels, *tile.window, *place))

        try:
            yield append
        finally:
            _close(archive, file)
        table = pd.DataFrame(rows, columns=list(COLUMNS)) if rows else _empty()
        storage.check_unique(folder / INDEX, table, ["tile_id"])
        storage.write_table(folder / INDEX, table, COLUMNS, folder / Path(sums_path(split)).name)


def read(root: Path, split: str) -> Tiles:
    """Read a split's index; the tiles themselves are read one by one.

    Raises:
        storage.ArtifactError: The index is missing or damaged.
    """
    folder = root / path(split)
    return Tiles(storage.read_table(folder / INDEX, COLUMNS, root / sums_path(split)), folder)


def _empty() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({name: pd.Series(dtype=object if kind is str else "int64") for name, kind in COLUMNS.items()})


def _close(archive: tarfile.TarFile | None, file: IO[bytes] | None) -> None:
    if archive is not None and file is not None:
        archive.close()
        file.close()
