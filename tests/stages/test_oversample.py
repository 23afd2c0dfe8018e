"""One epoch of draws, its views, and the first lines of the ledger."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from counterpoise import priors, storage
from counterpoise.artifacts import classes, draws, prior, tiles
from counterpoise.stages import oversample

CLASSES = classes.Classes(("plain", "solar"), (2862, 138))


def params(strategy: str = "over", views: int = 0) -> oversample.Oversample:
    block = {"strategy": strategy, "repeat_threshold": 0.4, "views": views, "policy": "standard"}
    return oversample.Oversample.model_validate(block)


def table_of(*counts: int, names: tuple[str, ...] = CLASSES.names) -> pd.DataFrame:
    labels = np.repeat(names, counts)
    return pd.DataFrame({"tile_id": [f"t{row:03d}" for row in range(len(labels))], "labels": labels})


def test_none_draws_every_tile_once_as_it_is():
    drawn, _ = oversample.draw(table_of(5, 2), CLASSES, params("none"), 0)
    assert drawn["tile_id"].tolist() == [f"t{row:03d}" for row in range(7)]
    assert drawn["view"].tolist() == [0] * 7


def test_the_draws_of_a_tile_show_its_views_in_turn():
    drawn, _ = oversample.draw(table_of(8, 1), CLASSES, params(views=2), 0)
    assert drawn.loc[drawn["tile_id"] == "t008", "view"].tolist() == sorted([0, 1, 2, 0, 1, 2, 0, 1])
    assert set(drawn.loc[drawn["tile_id"] != "t008", "view"]) == {0}


def test_views_of_a_tile_are_used_equally_often_or_one_apart():
    drawn, _ = oversample.draw(table_of(100, 13), CLASSES, params(views=3), 0)
    for _, own in drawn[drawn["tile_id"] >= "t100"].groupby("tile_id"):
        uses = np.bincount(own["view"], minlength=4)
        assert uses.max() - uses.min() <= 1
        assert (np.diff(uses) <= 0).all()  # the tile itself comes first


def test_without_views_repeated_draws_are_the_tile_itself():
    drawn, _ = oversample.draw(table_of(8, 2), CLASSES, params(views=0), 0)
    assert set(drawn["view"]) == {0}
    assert len(drawn) == 16


def test_draws_are_sorted_by_tile_and_view():
    drawn, _ = oversample.draw(table_of(50, 7).sample(frac=1, random_state=0), CLASSES, params(views=2), 0)
    assert drawn.equals(drawn.sort_values(["tile_id", "view"], ignore_index=True))


def test_100_50_20_under_becomes_20_20_20_in_the_counts():
    found = classes.Classes(("a", "b", "c"), (200, 100, 40))
    drawn, opened = oversample.draw(table_of(100, 50, 20, names=found.names), found, params("under"), 0)
    assert opened == prior.Prior(found.names, (200, 100, 40), (100, 50, 20), (20, 20, 20), opened.ledger)
    assert len(drawn) == 60
    assert drawn["tile_id"].is_unique


def test_the_ledger_says_what_split_and_draws_did():
    # A balanced train of 50 : 50 out of 2862 : 138, drawn as it is.
    _, opened = oversample.draw(table_of(50, 50), CLASSES, params("none"), 0)
    split, drawn = opened.ledger
    assert (split.piece, split.remedy) == ("split", "train")
    assert split.factors == pytest.approx((0.5 * 3000 / 2862, 0.5 * 3000 / 138))
    assert (drawn.piece, drawn.remedy) == ("oversample.strategy", "none")
    assert drawn.factors == (1.0, 1.0)


@pytest.mark.parametrize("strategy", ["none", "over", "under", "square_root", "repeat_factor"])
def test_the_ledger_leads_from_the_natural_prior_to_that_of_the_draws(strategy):
    drawn, opened = oversample.draw(table_of(90, 10), CLASSES, params(strategy), 0)
    seen = priors.seen(priors.from_counts(opened.natural_counts), opened.ledger)
    solar = (drawn["tile_id"] >= "t090").mean()
    assert seen == pytest.approx([1 - solar, solar])
    assert opened.drawn_counts == (len(drawn) - round(solar * len(drawn)), round(solar * len(drawn)))


def test_a_class_without_training_tiles_leaves_a_finite_ledger():
    _, opened = oversample.draw(table_of(20, 0), CLASSES, params("over"), 0)
    assert opened.drawn_counts == (20, 0)
    assert all(line.factors is not None and min(line.factors) > 0 for line in opened.ledger)


def test_the_seed_decides_which_tiles_get_the_odd_draw():
    one, same, other = (oversample.draw(table_of(90, 40), CLASSES, params(), seed)[0] for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(one, same)
    assert not one.equals(other)


def write_tiles(root: Path, side: str, ids: list[str], labels: list[str]) -> None:
    with tiles.writing(root, side) as append:
        for tile_id, label in zip(ids, labels, strict=True):
            append(tiles.Tile(tile_id, tile_id, label, (0, 0, 8, 8), b"pixels"))


def test_main_draws_from_train_only_and_writes_the_counts(tmp_path, capsys):
    classes.write(tmp_path, CLASSES)
    write_tiles(tmp_path, "train", [f"train{row}" for row in range(8)], ["plain"] * 6 + ["solar"] * 2)
    for side in ("val", "test"):
        write_tiles(tmp_path, side, [f"{side}{row}" for row in range(3)], ["plain", "solar", "solar"])
    oversample.main(tmp_path, oversample.Params(seed=0, oversample=params(views=2)))
    drawn, opened = draws.read(tmp_path), prior.read(tmp_path)
    assert drawn["tile_id"].str.startswith("train").all()
    assert drawn.groupby("tile_id").size().to_dict() == {f"train{row}": 1 if row < 6 else 3 for row in range(8)}
    assert (opened.natural_counts, opened.train_counts, opened.drawn_counts) == ((2862, 138), (6, 2), (6, 6))
    assert capsys.readouterr().out == "12 draws: plain 6, solar 6\n"


def test_main_runs_without_tiles_of_val_and_test(tmp_path):
    classes.write(tmp_path, CLASSES)
    write_tiles(tmp_path, "train", ["a", "b"], ["plain", "solar"])
    oversample.main(tmp_path, oversample.Params(seed=0, oversample=params("none")))
    assert len(draws.read(tmp_path)) == 2


def test_missing_tiles_are_named(tmp_path):
    classes.write(tmp_path, CLASSES)
    with pytest.raises(storage.ArtifactError, match=r"tiles/train/tiles.csv does not exist; run `dvc repro`"):
        oversample.main(tmp_path, oversample.Params(seed=0, oversample=params()))
