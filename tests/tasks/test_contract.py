"""What holds for every task, and for one that is added by a file in each folder of tasks."""

import dataclasses
import importlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typing_extensions import get_protocol_members

from counterpoise import config, tasks
from counterpoise.artifacts import classes, predictions
from counterpoise.artifacts.positive import Positive
from counterpoise.calibration import calibrators, links, prior_ledger
from counterpoise.dataset import curation
from counterpoise.dataset import tasks as dataset_tasks
from counterpoise.decision import links as decision_links
from counterpoise.sources import Row
from counterpoise.stages import decide, ingest, oversample, split

DECIDE: dict[str, Any] = {
    "calibrator": "auto",
    "target": {"plain": 0.5, "solar": 0.5},
    "unlabelled": "data/unlabelled",
    "rule": "balanced",
    "costs": {},
    "beta": 1.0,
    "floor": 0.8,
    "false_alarms": 1.0,
    "at_least": 0,
    "min_positives": 10,
    "search_positives": 1000,
    "density": {},
}


def lacks(module: object, protocol: type) -> set[str]:
    return {name for name in get_protocol_members(protocol) if not hasattr(module, name)}


@pytest.mark.parametrize("task", tasks.names())
def test_a_task_has_a_file_with_every_function_in_each_folder(task: str) -> None:
    assert not lacks(tasks.find(task), tasks.TaskModule)
    assert not lacks(dataset_tasks.find(task), dataset_tasks.TaskData)


@pytest.mark.parametrize("link", links.names())
def test_a_link_has_a_file_with_every_function_in_each_folder(link: str) -> None:
    assert not lacks(links.find(link), links.Link)
    for package, protocol in ((calibrators, calibrators.Calibrators), (decision_links, decision_links.DecisionLink)):
        assert not lacks(importlib.import_module(f"{package.__name__}.{link}"), protocol)


def test_every_link_serves_a_task() -> None:
    assert sorted({tasks.find(task).LINK for task in tasks.names()}) == links.names()


@pytest.mark.parametrize(("task", "shown"), [("multilable", "'multilable'"), (3, "3"), (None, "(None|null)")])
def test_an_unknown_task_is_refused_with_those_there_are(task: object, shown: str) -> None:
    expected = rf"params\.yaml: task is {shown}; expected one of \['detection', 'multiclass', 'multilabel'\]"
    with pytest.raises(config.InputError, match=expected):
        config.validate(ingest.Params, {"task": task, "ingest": {}})
    with pytest.raises(config.InputError, match=expected):
        tasks.find(task)  # type: ignore[arg-type]


def test_of_one_class_each_image_bears_exactly_one_label_and_of_many_any_number() -> None:
    one, many = tasks.find("multiclass"), tasks.find("multilabel")
    assert one.fault_of_labels(("a",)) is None
    assert one.fault_of_labels(()) == "the row has no label"
    assert one.fault_of_labels(("a", "b")) == "exactly one label is needed, found ['a', 'b']"
    assert [many.fault_of_labels(labels) for labels in ((), ("a",), ("a", "b"))] == [None] * 3


def test_targets_of_one_class_are_indices_and_of_many_labels_indicators() -> None:
    assert tasks.find("multiclass").encode(["b", "a"], ["a", "b"]).tolist() == [1, 0]
    assert tasks.find("multilabel").encode(["b", ""], ["a", "b"]).tolist() == [[False, True], [False, False]]


def test_a_third_task_is_labelled_split_drawn_and_decided_without_any_other_change(third_task: str) -> None:
    assert config.validate(oversample.Params, {"task": third_task, "seed": 0, **SECTIONS}).task == third_task
    rows = [Row("row 1", "a.png", ("roof", "solar"), "")]
    assert curation.join(rows, third_task) == curation.join(rows, "multiclass")
    cells = ["plain"] * 30 + ["solar"] * 10
    ids = [f"{number:02d}" for number in range(len(cells))]
    table = pd.DataFrame({"image_id": ids, "tile_id": ids, "labels": cells, "raw_labels": cells, "group": ids})
    table["split"] = ""
    labelled = classes.Classes(("plain", "solar"), (30, 10), 40)
    units = pd.DataFrame({"image_id": ids, "unit": ids, "centre": ids, "kind": "single", "correlation": 1.0})
    nothing = np.empty((0, 2), dtype=np.int64)
    shares = split.Split.model_validate(
        {"val_frac": 0.25, "test_frac": 0.25, "balance": False}
        | {"blocks": {"size_px": None, "guard_px": 0}, "duplicates": {"max_distance": 1, "min_correlation": 0.9}}
    )
    counts = {}
    for task in (third_task, "multiclass"):
        dealt = split.assign(table, labelled, units, nothing, np.arange(40), shares, 0, task=task).splits
        drawn, prior = oversample.draw(table, labelled, SECTIONS["oversample"], 0, task=task)
        counts[task] = (dealt["split"].tolist(), drawn.to_numpy().tolist(), dataclasses.replace(prior, task=""))
    assert counts[third_task] == counts["multiclass"]
    ledger = (prior_ledger.Line("oversample.strategy", "over", (1.0, 3.0)),)
    logits = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    val = predictions.Predictions(tuple(ids), tuple(ids), tuple(cells), labelled.names, logits)
    matters = decide.Matters(Positive("solar", "as evaluate.positive states it"), (0.05,))
    decisions = [
        decide.choose(val, dataclasses.replace(prior, task=task), ledger, decide.Decide(**DECIDE), matters)
        for task in (third_task, "multiclass")
    ]
    assert dataclasses.replace(decisions[0], task="multiclass") == decisions[1]


SECTIONS: dict[str, Any] = {
    "oversample": oversample.Oversample(
        strategy="over",
        views=1,
        policy="flips",
        defer_frac=0.0,
        repeat_threshold=0.1,
        resize_frac=0.2,
        empty_ratio=None,
        majority_only="keep",
        majority=(),
        synthetic="none",
        copy_paste=config.CopyPaste(frac=0.0, objects=2, margin_px=4, classes=()),
    ),
    "train": config.Portion(fraction=1.0),
    "model": config.InputSize(input_px=64),
}
