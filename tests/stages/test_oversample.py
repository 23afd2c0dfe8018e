"""One epoch of draws, its views, and the first lines of the ledger."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from counterpoise import config, labels, storage
from counterpoise.artifacts import boxes, classes, clusters, draws, prior, tile_boxes, tiles
from counterpoise.calibration import links, prior_ledger
from counterpoise.dataset import tasks as dataset_tasks
from counterpoise.imbalance import resampling
from counterpoise.stages import oversample

CLASSES = classes.Classes(("plain", "solar"), (2862, 138), 3000)


def params(
    strategy: str = "over", views: int = 0, resize_frac: float = 0.25, defer_frac: float = 0.0, **more: Any
) -> oversample.Oversample:
    block = {
        "strategy": strategy,
        "repeat_threshold": 0.4,
        "resize_frac": resize_frac,
        "defer_frac": defer_frac,
        "synthetic": "none",
    }
    pasting = {"copy_paste": {"frac": 0.0, "objects": 2, "margin_px": 4, "classes": []}}
    selection = {"empty_ratio": None, "majority_only": "keep", "majority": []} | more
    return oversample.Oversample.model_validate(block | {"views": views, "policy": "standard"} | pasting | selection)


def read_params(chosen: oversample.Oversample, task: str = "multiclass", fraction: float = 1.0) -> oversample.Params:
    portion = config.Portion(fraction=fraction)
    return oversample.Params.model_validate(
        {"task": task, "seed": 0, "oversample": chosen, "train": portion, "model": {"input_px": 64}}
    )


def table_of(*counts: int, names: tuple[str, ...] = CLASSES.names) -> pd.DataFrame:
    labels = np.repeat(names, counts)
    return pd.DataFrame({"tile_id": [f"t{row:03d}" for row in range(len(labels))], "labels": labels})


def test_none_draws_every_tile_once_as_it_is():
    drawn, _ = oversample.draw(table_of(5, 2), CLASSES, params("none"), 0, task="multiclass")
    assert drawn["tile_id"].tolist() == [f"t{row:03d}" for row in range(7)]
    assert drawn["view"].tolist() == [0] * 7


def test_the_draws_of_a_tile_show_its_views_in_turn():
    drawn, _ = oversample.draw(table_of(8, 1), CLASSES, params(views=2), 0, task="multiclass")
    assert drawn.loc[drawn["tile_id"] == "t008", "view"].tolist() == sorted([0, 1, 2, 0, 1, 2, 0, 1])
    assert set(drawn.loc[drawn["tile_id"] != "t008", "view"]) == {0}


def test_views_of_a_tile_are_used_equally_often_or_one_apart():
    drawn, _ = oversample.draw(table_of(100, 13), CLASSES, params(views=3), 0, task="multiclass")
    for _, own in drawn[drawn["tile_id"] >= "t100"].groupby("tile_id"):
        uses = np.bincount(own["view"], minlength=4)
        assert uses.max() - uses.min() <= 1
        assert (np.diff(uses) <= 0).all()  # the tile itself comes first


def test_without_views_repeated_draws_are_the_tile_itself():
    drawn, _ = oversample.draw(table_of(8, 2), CLASSES, params(views=0), 0, task="multiclass")
    assert set(drawn["view"]) == {0}
    assert len(drawn) == 16


def test_draws_are_sorted_by_tile_and_view():
    drawn, _ = oversample.draw(
        table_of(50, 7).sample(frac=1, random_state=0), CLASSES, params(views=2), 0, task="multiclass"
    )
    assert drawn.equals(drawn.sort_values(["tile_id", "view"], ignore_index=True))


def test_100_50_20_under_becomes_20_20_20_in_the_counts():
    found = classes.Classes(("a", "b", "c"), (200, 100, 40), 340)
    drawn, opened = oversample.draw(
        table_of(100, 50, 20, names=found.names), found, params("under"), 0, task="multiclass"
    )
    counts = (200, 100, 40), (100, 50, 20), (20, 20, 20)
    assert opened == prior.Prior("multiclass", found.names, *counts, 340, 170, 60, opened.ledger, (), ())
    assert len(drawn) == 60
    assert drawn["tile_id"].is_unique


def test_the_ledger_says_what_split_and_draws_did():
    # A balanced train of 50 : 50 out of 2862 : 138, drawn as it is.
    _, opened = oversample.draw(table_of(50, 50), CLASSES, params("none"), 0, task="multiclass")
    split, drawn = opened.ledger
    assert (split.piece, split.remedy) == ("split", "train")
    assert split.factors == pytest.approx((0.5 * 3000 / 2862, 0.5 * 3000 / 138))
    assert (drawn.piece, drawn.remedy) == ("oversample.strategy", "none")
    assert drawn.factors == (1.0, 1.0)


@pytest.mark.parametrize("strategy", ["none", "over", "under", "square_root", "repeat_factor"])
def test_the_ledger_leads_from_the_natural_prior_to_that_of_the_draws(strategy):
    drawn, opened = oversample.draw(table_of(90, 10), CLASSES, params(strategy), 0, task="multiclass")
    seen = prior_ledger.seen(
        links.find("softmax").prior_of_counts(opened.natural_counts, opened.natural_total),
        opened.ledger,
        task="multiclass",
    )
    solar = (drawn["tile_id"] >= "t090").mean()
    assert seen == pytest.approx([1 - solar, solar])
    assert opened.drawn_counts == (len(drawn) - round(solar * len(drawn)), round(solar * len(drawn)))


def test_a_class_without_training_tiles_leaves_a_finite_ledger():
    _, opened = oversample.draw(table_of(20, 0), CLASSES, params("over"), 0, task="multiclass")
    assert opened.drawn_counts == (20, 0)
    assert all(line.factors is not None and min(line.factors) > 0 for line in opened.ledger)


def test_the_seed_decides_which_tiles_get_the_odd_draw():
    one, same, other = (
        oversample.draw(table_of(90, 40), CLASSES, params(), seed, task="multiclass")[0] for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(one, same)
    assert not one.equals(other)


def test_more_draws_than_an_epoch_can_hold_are_refused(monkeypatch):
    monkeypatch.setattr(oversample, "MAX_DRAWS", 100)
    assert len(oversample.draw(table_of(50, 10), CLASSES, params(), 0, task="multiclass")[0]) == 100
    with pytest.raises(config.InputError, match=r"gives 102 samples of 61 tiles, more than the maximum of 100 in one"):
        oversample.draw(table_of(51, 10), CLASSES, params(), 0, task="multiclass")


# Many labels per tile.

MARKS = classes.Classes(("a", "b", "c"), (60, 20, 5), 100)
CELLS = ["a"] * 24 + ["a|b"] * 8 + ["b"] * 2 + ["a|c"] * 2 + ["c"] * 2 + [""] * 12


def labelled(cells: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"tile_id": [f"t{row:03d}" for row in range(len(cells))], "labels": cells})


@pytest.mark.parametrize("strategy", resampling.STRATEGIES)
def test_counts_and_pairs_of_many_labels_are_those_of_the_draws(strategy):
    table = labelled(CELLS)
    drawn, opened = oversample.draw(table, MARKS, params(strategy), 0, task="multilabel")
    of_draws = labels.indicators(drawn.merge(table, on="tile_id")["labels"].tolist(), MARKS.names).astype(int)
    together = of_draws.T @ of_draws
    assert opened.task == "multilabel"
    assert (opened.natural_counts, opened.natural_total) == ((60, 20, 5), 100)
    assert (opened.train_counts, opened.train_total) == ((34, 10, 4), 50)
    assert opened.train_pairs == ((0, 8, 2), (8, 0, 0), (2, 0, 0))
    assert opened.drawn_counts == tuple(together.diagonal())
    assert opened.drawn_pairs == tuple(map(tuple, together - np.diag(together.diagonal())))
    assert opened.drawn_total == len(drawn)
    assert (strategy == "none") == (opened.drawn_pairs == opened.train_pairs and len(drawn) == 50)


def test_the_ledger_of_many_labels_holds_odds_and_leads_from_manifest_to_train():
    _, opened = oversample.draw(labelled(CELLS), MARKS, params("none"), 0, task="multilabel")
    split, drawn = opened.ledger
    # Odds of a: 60 : 40 in the manifest, 34 : 16 in train; of c: 5 : 95 and 4 : 46.
    assert split.factors == pytest.approx((34 / 16 * 40 / 60, 10 / 40 * 80 / 20, 4 / 46 * 95 / 5))
    assert drawn == prior_ledger.Line("oversample.strategy", "none", (1.0, 1.0, 1.0))
    natural = links.find("sigmoid").prior_of_counts(opened.natural_counts, opened.natural_total)
    assert prior_ledger.seen(natural, opened.ledger, task="multilabel") == pytest.approx([0.68, 0.2, 0.08])


@pytest.mark.parametrize("strategy", [name for name in resampling.STRATEGIES if name != "none"])
def test_what_resampling_does_to_many_labels_is_unknown(strategy):
    _, opened = oversample.draw(labelled(CELLS), MARKS, params(strategy), 0, task="multilabel")
    assert opened.ledger[1] == prior_ledger.Line("oversample.strategy", strategy, None)
    natural = links.find("sigmoid").prior_of_counts(opened.natural_counts, opened.natural_total)
    assert prior_ledger.seen(natural, opened.ledger, task="multilabel") is None


def test_a_label_on_every_tile_or_on_none_leaves_a_finite_ledger():
    found = classes.Classes(("a", "b"), (10, 2), 10)
    _, opened = oversample.draw(labelled(["a"] * 6), found, params("none"), 0, task="multilabel")
    factors = opened.ledger[0].factors
    assert factors is not None
    assert np.isfinite(factors).all()
    assert min(factors) > 0


def test_resize_frac_says_how_much_the_draws_grow():
    few, more = (
        oversample.draw(labelled(CELLS), MARKS, params("single_label", resize_frac=share), 0, task="multilabel")[1]
        for share in (0.1, 0.2)
    )
    assert (few.drawn_total, more.drawn_total) == (55, 60)


def test_views_serve_many_labels_too():
    drawn, _ = oversample.draw(labelled(["a"] * 9 + ["b"]), MARKS, params("lp_ros", 2, 1.0), 0, task="multilabel")
    assert drawn.loc[drawn["tile_id"] == "t009", "view"].tolist() == sorted([0, 1, 2, 0, 1])


def test_the_change_is_said_by_hand():
    table = labelled(["a", "a", "a|b", ""])
    drawn = pd.DataFrame({"tile_id": ["t000", "t001", "t002", "t002"], "view": [0, 0, 0, 1]})
    # Tiles: 4 labels on 4; counts 3, 1. Draws: 6 labels on 4; counts 4, 2, so that each pair scores 1 - sqrt(2) / 1.5.
    # SCUMBLE: of three tiles with labels one scores 1 - sqrt(3) / 2, of four draws two.
    members = dataset_tasks.find("multilabel").members(table["labels"].tolist(), MARKS.names)
    repeats = oversample.repeats_of(table, drawn)
    assert dataset_tasks.find("multilabel").describe_draws(members, repeats) == (
        "before -> after oversampling: labels per tile 1 -> 1.5, share with several labels 0.25 -> 0.5, "
        "MeanIR 2 -> 1.5, SCUMBLE 0.0447 -> 0.0286"
    )
    assert dataset_tasks.find("multilabel").describe_draws(members, np.ones_like(repeats)) == (
        "labels per tile 1, share with several labels 0.25, MeanIR 2, SCUMBLE 0.0447"
    )


def write_tiles(root: Path, side: str, ids: list[str], labels: list[str]) -> None:
    with tiles.writing(root, side) as append:
        for tile_id, label in zip(ids, labels, strict=True):
            append(tiles.Tile(tile_id, tile_id, label, (0, 0, 8, 8), b"pixels"))


def test_main_draws_from_train_only_and_writes_the_counts(tmp_path, capsys):
    classes.write(tmp_path, CLASSES)
    write_tiles(tmp_path, "train", [f"train{row}" for row in range(8)], ["plain"] * 6 + ["solar"] * 2)
    for side in ("val", "test"):
        write_tiles(tmp_path, side, [f"{side}{row}" for row in range(3)], ["plain", "solar", "solar"])
    oversample.main(tmp_path, read_params(params(views=2)))
    drawn, opened = draws.read(tmp_path), prior.read(tmp_path)
    assert drawn["tile_id"].str.startswith("train").all()
    assert drawn.groupby("tile_id").size().to_dict() == {f"train{row}": 1 if row < 6 else 3 for row in range(8)}
    assert (opened.natural_counts, opened.train_counts, opened.drawn_counts) == ((2862, 138), (6, 2), (6, 6))
    assert capsys.readouterr().out == "12 samples per epoch: plain 6, solar 6\n"


def test_main_runs_without_tiles_of_val_and_test(tmp_path):
    classes.write(tmp_path, CLASSES)
    write_tiles(tmp_path, "train", ["a", "b"], ["plain", "solar"])
    oversample.main(tmp_path, read_params(params("none")))
    assert len(draws.read(tmp_path)) == 2


def test_missing_tiles_are_named(tmp_path):
    classes.write(tmp_path, CLASSES)
    with pytest.raises(storage.ArtifactError, match=r"tiles/train/tiles.csv does not exist; run `dvc repro`"):
        oversample.main(tmp_path, read_params(params()))


def test_main_draws_many_labels_and_says_what_changed(tmp_path, capsys):
    classes.write(tmp_path, MARKS)
    write_tiles(tmp_path, "train", [f"train{row:02d}" for row in range(len(CELLS))], CELLS)
    oversample.main(tmp_path, read_params(params("single_label"), "multilabel"))
    drawn, opened = draws.read(tmp_path), prior.read(tmp_path)
    assert len(drawn) == opened.drawn_total == 62
    assert opened.train_pairs == opened.drawn_pairs == ((0, 8, 2), (8, 0, 0), (2, 0, 0))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"62 samples per epoch: a 34, b {opened.drawn_counts[1]}, c {opened.drawn_counts[2]}"
    assert lines[1].startswith(
        "before -> after oversampling: labels per tile 0.96 -> 0.968, share with several labels 0.2 -> 0.161, MeanIR "
    )


def test_main_gives_equal_bytes_twice(tmp_path):
    classes.write(tmp_path, MARKS)
    write_tiles(tmp_path, "train", [f"train{row:02d}" for row in range(len(CELLS))], CELLS)
    texts = []
    for _ in range(2):
        oversample.main(tmp_path, read_params(params("ml_ros"), "multilabel"))
        texts.append([(tmp_path / path).read_bytes() for path in (draws.PATH, prior.PATH)])
    assert texts[0] == texts[1]


@pytest.mark.parametrize("strategy", resampling.OF_LABEL_SETS)
def test_strategies_for_many_labels_are_refused_with_one_class_per_image(tmp_path, strategy):
    with pytest.raises(config.InputError, match=rf"'{strategy}', which compares sets .* \['none', 'over', 'under'"):
        oversample.main(tmp_path, read_params(params(strategy)))


def test_deferred_draws_are_the_same_but_unknown_in_the_ledger():
    now, opened = oversample.draw(table_of(8, 2), CLASSES, params(), 0, task="multiclass")
    later, deferred = oversample.draw(table_of(8, 2), CLASSES, params(defer_frac=0.5), 0, task="multiclass")
    assert later.equals(now)
    assert deferred.drawn_counts == opened.drawn_counts
    assert opened.ledger[1].factors is not None
    assert deferred.ledger[1] == prior_ledger.Line("oversample.strategy", "over, deferred", None)
    assert deferred.ledger[0] == opened.ledger[0]


def test_a_part_of_train_is_drawn_from_and_counted(tmp_path, capsys):
    classes.write(tmp_path, CLASSES)
    ids = [f"train{row:03d}" for row in range(60)]
    write_tiles(tmp_path, "train", ids, ["plain"] * 48 + ["solar"] * 12)
    table = pd.DataFrame({"image_id": ids, "unit": ids, "centre": ids, "kind": "single", "correlation": 1.0})
    clusters.write(tmp_path, table)
    seen = []
    for fraction in (0.25, 0.5, 1.0):
        oversample.main(tmp_path, read_params(params("over"), fraction=fraction))
        drawn, opened = draws.read(tmp_path), prior.read(tmp_path)
        assert opened.train_counts == (48 * fraction, 12 * fraction)
        assert opened.train_total == 60 * fraction
        assert opened.drawn_counts == (48 * fraction, 48 * fraction)
        assert drawn["tile_id"].nunique() == 60 * fraction
        assert prior_ledger.seen(
            links.find("softmax").prior_of_counts(opened.natural_counts, opened.natural_total),
            opened.ledger,
            task="multiclass",
        ) == pytest.approx([0.5, 0.5])
        seen.append(set(drawn["tile_id"]))
    assert seen[0] < seen[1] < seen[2]
    assert capsys.readouterr().out.splitlines()[0] == "15 of 60 training tiles are used (train.fraction 0.25)"


# Tiles with boxes.

SCENES = classes.Classes(("car", "panel", "roof"), (40, 4, 40), 40)
SHOWN = ["car|roof"] * 6 + ["roof"] * 8 + ["panel|roof"] * 2 + [""] * 24


def scene_tiles() -> pd.DataFrame:
    """Return 40 tiles of 4 scenes."""
    return labelled(SHOWN).assign(image_id=[f"scene{row % 4}" for row in range(len(SHOWN))])


def counted() -> oversample.Counted:
    shows = [[3 * ("car" in cell), "panel" in cell, 2 * ("roof" in cell)] for cell in SHOWN]
    return oversample.Counted(np.array([90, 4, 120]), np.array(shows, dtype=np.int64))


@pytest.mark.parametrize("strategy", resampling.STRATEGIES)
def test_boxes_and_empty_tiles_in_the_prior_are_those_of_the_draws(strategy):
    table = scene_tiles()
    drawn, opened = oversample.draw(table, SCENES, params(strategy), 0, task="multilabel", boxes=counted())
    assert isinstance(opened, prior.BoxPrior)
    times = oversample.repeats_of(table, drawn)
    assert opened.natural_boxes == (90, 4, 120)
    assert opened.train_boxes == (18, 2, 32)
    assert opened.drawn_boxes == tuple(times @ counted().of_tiles)
    assert opened.drawn_empty == times[16:].sum()
    if strategy == "none":
        assert (opened.drawn_boxes, opened.drawn_empty) == (opened.train_boxes, 24)


@pytest.mark.parametrize("strategy", ["lp_ros", "ml_ros", "repeat_factor", "box_repeat_factor"])
def test_repeating_strategies_raise_the_share_of_rare_objects_among_tiles_of_scenes(strategy):
    chosen = params(strategy, resize_frac=0.5)
    _, opened = oversample.draw(scene_tiles(), SCENES, chosen, 0, task="multilabel", boxes=counted())
    assert isinstance(opened, prior.BoxPrior)
    assert opened.drawn_boxes[1] / sum(opened.drawn_boxes) > 2 / 52
    assert opened.drawn_empty / opened.drawn_total < 24 / 40


@pytest.mark.parametrize("strategy", ["lp_rus", "ml_rus"])
def test_undersampling_keeps_the_rare_objects(strategy):
    chosen = params(strategy, resize_frac=0.1)
    _, opened = oversample.draw(scene_tiles(), SCENES, chosen, 0, task="multilabel", boxes=counted())
    assert isinstance(opened, prior.BoxPrior)
    assert opened.drawn_boxes[1] == 2
    assert opened.drawn_total == 36


@pytest.mark.parametrize(("ratio", "left"), [(0.0, 0), (0.5, 8), (1.0, 16), (1.5, 24), (9.0, 24)])
def test_empty_ratio_keeps_that_many_empty_tiles_per_tile_with_objects_and_as_many_of_each_scene(ratio, left):
    table = scene_tiles()
    chosen = params("none", empty_ratio=ratio)
    drawn, opened = oversample.draw(table, SCENES, chosen, 0, task="multilabel", boxes=counted())
    assert isinstance(opened, prior.BoxPrior)
    assert (opened.drawn_empty, opened.drawn_total) == (left, 16 + left)
    empty = table[oversample.repeats_of(table, drawn).astype(bool) & (table["labels"] == "")]
    assert empty.groupby("image_id").size().to_dict() == {f"scene{row}": left // 4 for row in range(4) if left}


def test_the_seed_decides_which_empty_tiles_are_used():
    one, same, other = (
        oversample.draw(scene_tiles(), SCENES, params("none", empty_ratio=0.5), seed, task="multilabel")[0]
        for seed in (0, 0, 1)
    )
    assert one.equals(same)
    assert not one.equals(other)


def test_tiles_of_the_majority_alone_are_dropped_and_others_and_empty_ones_are_not():
    table = scene_tiles()
    chosen = params("none", majority_only="drop", majority=["roof"])
    drawn, opened = oversample.draw(table, SCENES, chosen, 0, task="multilabel", boxes=counted())
    assert set(table["tile_id"]) - set(drawn["tile_id"]) == set(table["tile_id"][table["labels"] == "roof"])
    assert isinstance(opened, prior.BoxPrior)
    assert opened.drawn_boxes == (18, 2, 16)


def test_what_is_left_out_is_a_line_of_the_ledger_without_a_closed_form():
    chosen = params("none", majority_only="drop", majority=["roof"], empty_ratio=1.0)
    _, opened = oversample.draw(scene_tiles(), SCENES, chosen, 0, task="multilabel")
    assert opened.ledger[1:] == (
        prior_ledger.Line("oversample.majority_only", "drop", None),
        prior_ledger.Line("oversample.empty_ratio", "1", None),
        prior_ledger.Line("oversample.strategy", "none", (1.0, 1.0, 1.0)),
    )


def test_an_unknown_majority_and_a_train_without_tiles_are_refused():
    chosen = params("none", majority_only="drop", majority=["rof"])
    with pytest.raises(config.InputError, match=r"oversample.majority has 'rof', which is no class; .*'roof'"):
        oversample.draw(scene_tiles(), SCENES, chosen, 0, task="multilabel")
    chosen = params("none", majority_only="drop", majority=["roof", "car", "panel"], empty_ratio=0.0)
    with pytest.raises(config.InputError, match=r"leave none of 40 tiles; set oversample.majority_only to keep"):
        oversample.draw(scene_tiles(), SCENES, chosen, 0, task="multilabel")


def test_boxes_are_counted_without_ignored_ones_and_in_each_tile_that_shows_them():
    shown = pd.DataFrame(
        [("t000", "car", 0), ("t000", "car", 0), ("t001", "car", 0), ("t001", "roof", 1), ("elsewhere", "car", 0)],
        columns=["tile_id", "label", "ignore"],
    )
    natural = pd.DataFrame([("car", 0), ("car", 0), ("panel", 1)], columns=["label", "ignore"])
    found = oversample.count_boxes(labelled(["car", "car", ""]), shown, natural, SCENES.names)
    assert found.of_tiles.tolist() == [[2, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert found.natural.tolist() == [2, 0, 0]


def test_main_counts_the_boxes_of_a_task_that_has_them(tmp_path, capsys):
    classes.write(tmp_path, SCENES)
    write_tiles(tmp_path, "train", ["a", "b", "c"], ["car", "roof", ""])
    shown = [("a", "a", 0, "car", 0.0, 0.0, 4.0, 4.0, 1.0, 0), ("b", "b", 0, "roof", 0.0, 0.0, 4.0, 4.0, 1.0, 0)]
    tile_boxes.write(tmp_path, "train", pd.DataFrame(shown, columns=list(tile_boxes.COLUMNS)))
    known = [("a", 0, "car", "car", 0.0, 0.0, 4.0, 4.0, 0, "x"), ("b", 0, "roof", "roof", 0.0, 0.0, 4.0, 4.0, 0, "x")]
    boxes.write(tmp_path, pd.DataFrame(known, columns=list(boxes.COLUMNS)))
    oversample.main(tmp_path, read_params(params("box_repeat_factor"), "detection"))
    opened = prior.read(tmp_path)
    assert isinstance(opened, prior.BoxPrior)
    assert (opened.natural_boxes, opened.drawn_boxes, opened.drawn_empty) == ((1, 0, 1), (1, 0, 1), 1)
    assert capsys.readouterr().out.splitlines()[-1] == "boxes per epoch: car 1, panel 0, roof 1; 1 samples are empty"


def test_objects_that_the_network_sees_below_2_px_are_warned_of():
    table = pd.DataFrame(
        [("a", 0, 0, 128, 64), ("b", 0, 0, 128, 128)], columns=["tile_id", "x0_px", "y0_px", "x1_px", "y1_px"]
    )
    rows = [
        ("a", "i", 0, "car", 0.0, 0.0, 3.0, 40.0, 1.0, 0),  # 1.5 px at 64
        ("b", "i", 0, "car", 0.0, 0.0, 3.9, 40.0, 1.0, 0),  # in another tile, 1.95 px
        ("a", "i", 1, "car", 0.0, 0.0, 4.0, 40.0, 1.0, 0),  # 2 px
        ("b", "j", 0, "car", 0.0, 0.0, 9.0, 2.0, 1.0, 1),  # ignored
        ("elsewhere", "k", 0, "car", 0.0, 0.0, 1.0, 1.0, 1.0, 0),
    ]
    boxes_of = pd.DataFrame(rows, columns=list(tile_boxes.COLUMNS))
    assert oversample.warn_of_small(table, boxes_of, 64) == (
        "1 of 2 objects of train are less than 2 px wide or high where tiles are resized to model.input_px 64, such as "
        "box 0 of 'i'; raise model.input_px, or lower tile.size_px"
    )
    assert oversample.warn_of_small(table, boxes_of, 66) is None


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_strategy_that_counts_boxes_is_refused_without_them(tmp_path, task):
    with pytest.raises(config.InputError, match=rf"which counts boxes, but with task '{task}' there are none; set it"):
        oversample.main(tmp_path, read_params(params("box_repeat_factor"), task))
