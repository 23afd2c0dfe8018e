"""Studies of detectors: stored maps, figures of boxes with their influences, what is refused, and whole studies."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tests import scripts
from tests.test_detectors import run, write

import counterpoise
from counterpoise import config
from counterpoise.config import InputError
from counterpoise.dataset import box_examples, inputs
from counterpoise.detection import box_losses, building, detectors
from counterpoise.stages import embed, ingest, oversample, split, tile, train
from counterpoise.study import arms, cells, comparison, dvc_lock, page, pool, results, study, summary, tasks, verdicts
from counterpoise.study import experiment as whole_experiment
from counterpoise.study.cells import Done, Job
from counterpoise.study.detection import cells as box_cells
from counterpoise.study.detection import experiment, figures, maps, packing
from counterpoise.study.results import Summary
from counterpoise.study.verdicts import NoVerdict, Verdict

ROOT = Path(__file__).parents[2]
PACKAGE = Path(counterpoise.__file__).parent
SCENES = config.parse((ROOT / "presets/scenes.yaml").read_text(encoding="utf-8"))
PRESET = (ROOT / arms.PRESETS / "detection.yaml").read_text(encoding="utf-8")
TEXT = """
seed: 0
folds: 3
repeats: 1
figure: ap50
view: raw
margin: 0.05
every:
  train.epochs: 1
  train.monitor: none
  train.augment: none
  predict.tta: none
  oversample.views: 1
  oversample.strategy: none
arms:
  plain:
    loss: cross_entropy
  same:
    loss: cross_entropy
    control: plain
  another_seed:
    loss: cross_entropy
    control: plain
    params: {train.seed: 1}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of 40 pictures with boxes, in front of training; test is locked by removing it."""
    root = tmp_path_factory.mktemp("boxes")
    write(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "workers_count", lambda: 0)
        run(root, ingest, split, tile, oversample, embed)
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    content = config.load(root)
    locked = {
        stage: {"params": {config.PATH: {name: dvc_lock._look_up(content, name) for name in stages[stage]["params"]}}}
        for stage in study.BUILT
    }
    (root / dvc_lock.LOCK).write_text(yaml.safe_dump({"schema": "2.0", "stages": locked}))
    for folder in ("data/tiles/test", "data/features/test"):
        shutil.rmtree(root / folder)
    return root


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "workers_count", lambda: 0)


def engine(function: Callable[[Job], Done], jobs: Sequence[Job]) -> Iterator[Done]:
    for job in jobs:
        yield function(job)


@pytest.fixture(scope="module")
def studied(built: Path) -> Summary:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "workers_count", lambda: 0)
        content = config.load(built)
        return study.run(built, content, arms.parse(TEXT, content), [], engine)


def found(result: Summary, name: str) -> Verdict | NoVerdict | None:
    (row,) = (row for row in result.rows if row.name == name)
    return row.found


def test_a_study_judges_every_arm_and_reads_no_file_of_test(built: Path, studied: Summary) -> None:
    """The folders of test are gone."""
    assert not (built / "data/tiles/test").exists()
    same, seed = found(studied, "same"), found(studied, "another_seed")
    assert isinstance(same, Verdict)
    assert same.word == "identical"
    assert isinstance(seed, Verdict)
    assert seed.word not in ("better", "worse")
    assert studied.units == 12
    plain = next(row for row in studied.rows if row.name == "plain")
    assert set(plain.means["raw"]) == {"ap50", "ap", "macro_f1", "average_precision"}
    assert plain.means["raw"]["ap50"] == pytest.approx(plain.means["decided"]["ap50"])


def test_results_and_page_have_the_figures_of_boxes_and_no_calibration_of_labels(built: Path, studied: Summary) -> None:
    said = json.loads((built / summary.JSON).read_text(encoding="utf-8"))
    assert said["figure"] == "ap50"
    assert "AP50, raw" in (built / summary.LEADERBOARD).read_text(encoding="utf-8")
    text = (built / page.PATH).read_text(encoding="utf-8")
    assert "AP50" in text
    assert 'id="calibration"' not in text
    assert "calibration error" not in text


def test_an_ensemble_and_every_setting_of_a_grid_are_trained(built: Path, studied: Summary) -> None:
    """Members are fused into one set of boxes; the setting that cannot learn is not the one that is tested."""
    text = TEXT + (
        "  ensemble_of_2:\n    loss: cross_entropy\n    control: plain\n    params: {train.members: 2}\n"
        "  tuned:\n    loss: cross_entropy\n    grid: {predict.min_score: [0.999, 0.01]}\n"
    )
    content = config.load(built)
    setup = study.prepare(built, content, arms.parse(text, content))
    alone, together = setup.jobs["plain"][0], setup.jobs["ensemble_of_2"][0]
    tuned = [job for job in setup.jobs["tuned"] if (job.cell.repeat, job.cell.fold) == (0, 0)]
    assert [box_cells.work(job).fault for job in (together, *tuned)] == [None] * 3
    one, both, strict, lenient = (box_cells.read(job.path) for job in (alone, together, *tuned))
    assert one is not None
    assert both is not None
    assert not set(both.logit.tolist()) <= set(one.logit.tolist())
    assert strict is not None
    assert lenient is not None
    assert strict.val_loss > lenient.val_loss
    assert comparison.best([strict, lenient]) is lenient


def test_maps_are_stored_once_for_all_arms_and_a_damaged_file_is_computed_again(built: Path, studied: Summary) -> None:
    (folder,) = (built / maps.FOLDER).iterdir()
    content = arms.parse(TEXT, config.load(built)).arms[0].trials[0]
    scenes = experiment.read(built, cells.SPLITS)
    whole = (folder / "maps.npy").read_bytes()
    (folder / "maps.npy").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    maps.read.cache_clear()
    assert not maps.is_whole(folder)
    assert experiment.plain_maps(built, scenes, content) == folder
    assert (folder / "maps.npy").read_bytes() == whole


def test_no_fold_pastes_objects_of_another(built: Path, studied: Summary, monkeypatch: pytest.MonkeyPatch) -> None:
    content = config.load(built)
    text = TEXT + (
        "  copy_paste:\n    loss: cross_entropy\n    control: plain\n"
        "    params: {oversample.copy_paste.frac: 1.0, oversample.copy_paste.classes: [bar]}\n"
    )
    setup = study.prepare(built, content, arms.parse(text, content))
    job, asked = setup.jobs["copy_paste"][0], []
    collect = box_examples.collect

    def noted(part: Any, *given: Any, **named: Any) -> Any:
        asked.append(set(part.table["image_id"]))
        return collect(part, *given, **named)

    monkeypatch.setattr(box_examples, "collect", noted)
    assert box_cells.work(job).fault is None
    assert asked == [{image_id for image_id, name in job.cell.split_of.items() if name == "train"}]


@pytest.mark.parametrize("in_portions", ["a store"], indirect=True)
def test_a_node_computes_the_same_cell_from_the_files_that_it_names(
    built: Path, studied: Summary, monkeypatch: pytest.MonkeyPatch, in_portions: Callable[[], None]
) -> None:
    content = config.load(built)
    job = study.prepare(built, content, arms.parse(TEXT, content)).jobs["plain"][0]
    expected = box_cells.read(job.path)
    job.path.unlink()
    monkeypatch.setattr(maps, "compute", None)  # maps are stored
    in_portions()
    assert [done.fault for done in pool.choose(built, 1)[0](box_cells.work, [job])] == [None]
    found = box_cells.read(job.path)
    assert expected is not None
    assert found is not None
    np.testing.assert_allclose(found.prob, expected.prob, atol=1e-6)


def test_the_code_that_decides_a_cell_is_in_its_key(built: Path, studied: Summary) -> None:
    content, ran = config.load(built), set()
    cell = study.prepare(built, content, arms.parse(TEXT, content)).jobs["plain"][0].cell

    def note(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            ran.add(path.relative_to(PACKAGE).as_posix())

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        box_cells.compute(cell, built, cells.SPLITS)
    finally:
        sys.setprofile(before)
    assert {"detection/two_stage.py", "boxes/matching.py", "study/detection/training.py"} <= ran
    ran -= {"losses/cross_entropy.py", "storage.py"}
    assert not {file for file in ran if not any(Path(file).is_relative_to(own) for own in box_cells.CODE)}


def test_parameters_of_boxes_are_in_the_key_of_a_cell(built: Path) -> None:
    content = config.load(built)
    cell = study.prepare(built, content, arms.parse(TEXT, content)).jobs["plain"][0].cell
    key = box_cells.key(cell, "")
    for name, value in {"detector.neck": "pafpn", "box_loss": "giou", "tile.min_visible": 0.5}.items():
        other = replace(cell, content=whole_experiment.changed(cell.content, {name: value}))
        assert box_cells.key(other, "") != key, name
    assert box_cells.key(cell, "other boxes") != key


def test_few_scenes_of_a_class_give_no_verdict_and_the_reason(built: Path) -> None:
    content = config.load(built)
    setup = study.prepare(built, content, arms.parse(TEXT, content))
    held = setup.images.truth.copy()
    held[np.flatnonzero(held[:, 1])[9:], 1] = False
    few = replace(setup.images, truth=held)
    rng = np.random.default_rng(0)
    none = verdicts.compare(
        rng.normal(size=(1, 3)),
        rng.normal(size=setup.fold.shape),
        setup.fold,
        few.holds[:, 1],
        comparisons=1,
        needed=few.needed([0, 1]),
    )
    assert none == NoVerdict("9 independent images of the class are too few; at least 10 are needed")


def test_fewer_scenes_than_folds_are_refused(built: Path) -> None:
    content = config.load(built)
    with pytest.raises(InputError, match="folds is 90, but train and validation have only 28 independent images"):
        study.prepare(built, content, arms.parse(TEXT.replace("folds: 3", "folds: 90"), content))


# Which arms there are


def test_the_preset_has_an_arm_for_every_switch_and_a_control_of_the_plain_detector() -> None:
    plan = arms.parse(PRESET, SCENES)
    trials = [arm.trials[0] for arm in plan.arms]
    for switch, names in {
        "name": detectors.names(),
        "neck": ["none", "fpn", "pafpn"],
        "sampler": ["random", "hard_negative", "ohem", "iou_balanced", "every"],
        "prime": ["none", "carl", "isr", "pisa"],
        "task_weights": ["fixed", "guided", "uncertainty"],
        "adversary": ["none", "dropout", "rotation"],
        "proposals": ["rpn", "iou_uniform"],
    }.items():
        assert {trial["detector"][switch] for trial in trials} == set(names), switch
    assert {trial["box_loss"] for trial in trials} == set(box_losses.names())
    assert {trial["detector"]["anchors"]["kind"] for trial in trials} == {"stated", "fitted", "guided"}
    assert {trial["train"]["epochs"] for trial in trials} == {plan.study.every["train.epochs"]}
    control = trials[0]
    same = ("name", "neck", "sampler", "prime", "task_weights", "adversary", "proposals", "channels", "hidden")
    assert {name: control["detector"][name] for name in same} == {name: SCENES["detector"][name] for name in same}
    assert control["loss"] == SCENES["loss"]
    assert plan.comparisons >= 12


def with_arm(params: str) -> str:
    return TEXT + f"  wrong:\n    loss: cross_entropy\n    control: plain\n    params: {params}\n"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("{model.freeze: first_n}", "model.freeze has an effect only where the backbone is trained.* stored maps"),
        ("{detector.freeze_norms: true}", "detector.freeze_norms has an effect only where the backbone is trained"),
        ("{train.first_rate_frac: 0.1}", "train.first_rate_frac has an effect only where the backbone is trained"),
        ("{train.augment: standard}", "train.augment is 'standard', which would change pictures in each epoch"),
        ("{predict.tta: flips}", "predict.tta is 'flips', which needs the maps of turned pictures"),
        ("{tile.size_px: 128}", "tile.size_px changes what comes before `oversample`, which all arms share"),
        ("{train.epochs: 9}", "train.epochs is 9, and that of its control 'plain' is 1, so that the number of epochs"),
        ("{box_losses.kl: {}}", "box_losses.kl has no effect with box_loss 'smooth_l1'"),
        ("{detector.nek: none}", "detector.nek is not a parameter; .*did you mean 'detector.neck'"),
        ("{detector.neck: nonne}", "arm 'wrong': detector.neck is 'nonne'.*did you mean 'none'"),
        ("{detector.after_regression: true}", "arm 'wrong': detector.after_regression is true, and detector.name is"),
        ("{report.mistakes: 1}", "report.mistakes changes nothing of what is compared"),
    ],
)
def test_an_arm_that_cannot_be_compared_on_stored_maps_is_refused_by_name(params: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        arms.parse(with_arm(params), SCENES)


def test_an_unknown_arm_and_a_figure_of_labels_are_refused() -> None:
    with pytest.raises(InputError, match=r"--arms: 'pafp' is no arm of study/params.yaml; .*did you mean 'pafpn'"):
        arms.parse(PRESET, SCENES).chosen(["pafp"])
    with pytest.raises(InputError, match="figure is 'balanced_accuracy', which is of other labels, not 'detection'"):
        arms.parse(TEXT.replace("ap50", "balanced_accuracy"), SCENES)
    with pytest.raises(InputError, match=r"`cp presets/study/detection\.yaml study/params\.yaml` takes arms"):
        arms.read(ROOT, SCENES)


def test_what_pages_know_of_figures_is_what_tasks_say() -> None:
    known = {name: figure for task in ("multiclass", "detection") for name, figure in tasks.find(task).FIGURES.items()}
    assert set(results.NOUNS) == set(known)
    assert set(results.DECIDING) == {name for name, figure in known.items() if figure.counts_decisions}


# Maps in the place of pictures


def test_a_detector_on_stored_maps_finds_what_it_finds_on_pictures() -> None:
    content = whole_experiment.changed(
        SCENES, {"model.backbone": "test_resnet", "detector.levels": [2, 3], "detector.anchors.sizes_px": [16, 32]}
    )
    params = experiment.section(train.Params, content)
    shapes = building.shapes(params.detector, np.zeros((0, 2)), 0)
    plan = building.plan_of("test_resnet", 2, 64, params.detector, "smooth_l1", {"beta": 0.1}, shapes)
    whole: Any = building.build(plan, "none", 3).eval()
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        levels = list(whole.maps(images).values())
        channels = [level.shape[1] for level in levels]
        strides = [64 // level.shape[2] for level in levels]
        flat = torch.cat([level.flatten(1) for level in levels], dim=1)
        assert flat.shape[1] == packing.size(channels, strides, (64, 96))
        stored = packing.build(plan, channels, strides, 3).eval()
        for one, other in zip(whole(images), stored(packing.pack(flat, (64, 96))), strict=True):
            assert len(one.boxes)
            torch.testing.assert_close(one.boxes, other.boxes, atol=1e-3, rtol=1e-4)
            torch.testing.assert_close(one.scores, other.scores, atol=1e-4, rtol=1e-4)
    names = {name for name, _ in stored.named_parameters()}
    assert names == {name for name, _ in whole.named_parameters() if not name.startswith("maps.")}


def test_epochs_take_the_views_of_a_tile_in_turn(built: Path, studied: Summary) -> None:
    (folder,) = (folder for folder in (built / maps.FOLDER).iterdir() if len(maps.read(folder).index) == 2 * 28)
    of = maps.read(folder)
    given = maps.MapInputs(of, np.array([[0, 1]]))
    first, second, third = (next(iter(given.batches([np.array([0])], epoch))).images for epoch in range(3))
    assert torch.equal(first, third)
    assert not torch.equal(first, second)
    assert of.index["view"].tolist()[:2] == [0, 1]


# Figures of boxes


def cell_of(hit: list[bool], image: list[int], logit: list[float], objects: list[list[int]]) -> box_cells.Tested:
    """What a cell found of one class; a box is probably right from a logit of 1 on, and decided for from 0.5 on."""
    hits = np.repeat(np.array(hit, dtype=np.bool_)[None], 10, axis=0)
    scores = np.array(logit)
    return box_cells.Tested(
        image_ids=np.arange(len(objects)).astype(str),
        objects=np.array(objects),
        image=np.array(image, dtype=np.int64),
        label=np.zeros(len(hit), dtype=np.int64),
        logit=scores,
        prob=1 / (1 + np.exp(1 - scores)),
        decided=scores > 0.5,
        hit=hits,
        ignored=np.zeros_like(hits),
        val_loss=0.0,
        seconds=0.0,
    )


ONE = cell_of([True, False, True, True], [0, 1, 1, 2], [2.0, 1.5, 0.4, -0.2], [[1], [2], [1]])


def test_figures_by_hand() -> None:
    """Three of four objects are found, with one false alarm in second place: 25 recalls at 1, 50 at 3 / 4."""
    expected = (26 * 1 + 50 * 0.75) / 101
    assert figures.value("ap50", ONE, "raw", [0]) == pytest.approx(expected)
    assert figures.value("ap50", ONE, "calibrated", [0]) == pytest.approx(expected)
    assert figures.value("average_precision", ONE, "raw", [0]) == pytest.approx(expected)
    raw, calibrated, decided = (figures.value("macro_f1", ONE, view, [0]) for view in cells.VIEWS)
    assert raw == pytest.approx(2 * 2 / (3 + 4))
    assert [calibrated, decided] == pytest.approx([2 * 1 / (2 + 4)] * 2)
    assert np.isnan(figures.value("ap50", cell_of([], [], [], [[0], [0]]), "raw", [0]))


def test_the_influence_of_a_unit_is_what_a_figure_loses_without_it() -> None:
    """F1 of three scenes: the jackknife, scaled to a derivative."""
    own = figures.influences("macro_f1", ONE, "raw", [0], np.array([0, 1, 2]))
    without = np.array([2 * 1 / (2 + 3), 2 * 1 / (1 + 2), 2 * 2 / (3 + 3)])
    assert list(own.values()) == pytest.approx(((without.mean() - without) * 2 / 3).tolist())
    joined = figures.influences("macro_f1", ONE, "raw", [0], np.array([7, 7, 9]))
    assert list(joined) == [7, 9]


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    return scripts.load(ROOT / "benchmarks/detection_verdicts.py")


def test_intervals_cover_the_true_differences_in_ap50(simulation: ModuleType) -> None:
    """Of 60 intervals of 95 %, 51 or more cover: fewer would have a probability below 1 % if 95 % did."""
    setting, rng = simulation.SETTINGS[0], np.random.default_rng(1)
    true = simulation.truth(setting, rng, trainings=20, scenes=200)
    judged = [simulation.judge(simulation.study(setting, rng), comparisons=1) for _ in range(20)]
    covered = sum(one.low <= value <= one.high for own in judged for one, value in zip(own, true, strict=True))
    assert sum(map(len, judged)) == 60
    assert covered >= 51


def test_detectors_that_differ_by_their_seed_alone_are_rarely_better_or_worse_even_with_one_repeat(
    simulation: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 40 studies, 5 or fewer are wrong: more would have a probability of 1 % if 5 % were. Intervals that trust the
    variance of 3 trainings are wrong far more often."""
    setting, rng = simulation.Setting("A/A", 29, 0.65, 1, simulation.SAME, 0.6), np.random.default_rng(2)
    every = [simulation.study(setting, rng) for _ in range(40)]

    def wrong() -> int:
        judged = [simulation.judge(found, comparisons=17) for found in every]
        return sum(any(one.word in ("better", "worse") for one in own) for own in judged)

    assert wrong() <= 5
    monkeypatch.setattr(verdicts, "ENOUGH_VALUES", 0)
    assert wrong() >= 7


def test_images_of_a_study_are_scenes_with_all_classes_of_their_tiles(built: Path) -> None:
    scenes = experiment.read(built, cells.SPLITS)
    of = comparison.images(scenes.data, "detection")
    shown = scenes.objects.groupby("image_id")["label"].agg(set)
    for image_id, row in zip(of.image_ids, of.truth, strict=True):
        assert {name for name, has in zip(of.names, row, strict=True) if has} == shown[image_id]
    assert of.counted.all()
    assert of.needed([0, 1]) == verdicts.LEAST_UNITS
