"""Images, tiles, splits and views that make no sense together."""

from pathlib import Path

import pytest
import yaml

from counterpoise import config
from counterpoise.conflicts import data
from counterpoise.imbalance import resampling

REPEATING = resampling.REPEATING[0]
CASES = [
    (
        {"oversample__views": 2, "oversample__strategy": "none"},
        "oversample.views is 2, but oversample.strategy 'none' repeats no tile",
        {"oversample__views": 2, "oversample__strategy": REPEATING, "oversample__policy": "standard"},
    ),
    (
        {"oversample__views": 2, "oversample__strategy": REPEATING, "oversample__policy": "none"},
        "with oversample.policy 'none' every view is the unchanged tile",
        {"oversample__views": 0, "oversample__strategy": REPEATING, "oversample__policy": "none"},
    ),
    (
        {"split__val_frac": 0.5, "split__test_frac": 0.5},
        "split.val_frac + split.test_frac leave no images for train; lower them until their sum is below 1",
        {"split__val_frac": 0.5, "split__test_frac": 0.4},
    ),
    (
        {"tile__size_px": 64, "tile__overlap_px": 64},
        "tile.overlap_px is 64; expected a number below tile.size_px, 64; lower it",
        {"tile__size_px": 64, "tile__overlap_px": 63},
    ),
    (
        {"split__blocks__size_px": 1024, "split__blocks__guard_px": 128, "tile__size_px": 256},
        "split.blocks.guard_px is 128; expected at least tile.size_px, 256",
        {"split__blocks__size_px": 1024, "split__blocks__guard_px": 256, "tile__size_px": 256},
    ),
    (
        {"split__blocks__size_px": 511, "split__blocks__guard_px": 256, "tile__size_px": 256},
        "split.blocks.size_px is 511, so guard bands of 256 px may leave less than a tile of 256 px of a block",
        {"split__blocks__size_px": None, "split__blocks__guard_px": 0, "tile__size_px": 256},
    ),
    ({"ingest__root": "/data"}, "inside the repository", {"ingest__root": "data/raw/roofs"}),
    ({"ingest__root": "data/../../x"}, "inside the repository", {"ingest__root": "data/raw"}),
    ({"ingest__root": "data/raw/a\0b"}, "without control characters", {"ingest__root": "data/raw/ab"}),
    ({"decide__unlabelled": "data/a\nb"}, "without control characters", {"decide__unlabelled": "data/ab"}),
    (
        {"ingest__root": "data/demo", "demo__name": "none"},
        "demo.name is 'none', so ingest.root 'data/demo' is empty; set it to the folder of your images, such as",
        {"ingest__root": "data/raw/demo", "demo__name": "none"},
    ),
    (
        {"ingest__root": "data/demo/mine"},
        "ingest.root is 'data/demo/mine', inside 'data/demo', which the pipeline writes and may delete; move your",
        {"ingest__root": "data/demo/"},
    ),
    (
        {"ingest__root": "./Data/demo//mine", "demo__name": "none"},
        "inside 'data/demo', which the pipeline writes",
        {"ingest__root": "data/demos", "demo__name": "none"},
    ),
    (
        {"ingest__root": "data/tiles/train"},
        "inside 'data/tiles/train'",
        {"ingest__root": "data/unlabelled"},
    ),
    (
        {"ingest__root": "data"},
        "ingest.root is 'data', which also holds outputs of the pipeline, such as 'data/demo'; move your files",
        {"ingest__root": "models/pretrained"},
    ),
    ({"ingest__root": "."}, "which also holds outputs", {"ingest__root": "images"}),
    ({"ingest__root": ""}, "which also holds outputs", {"ingest__root": "images"}),
    (
        {"decide__unlabelled": "data/demo"},
        "decide.unlabelled is 'data/demo', inside 'data/demo', which the pipeline writes and may delete",
        {"decide__unlabelled": "data/new"},
    ),
    (
        {"decide__unlabelled": "data/tiles/val/"},
        "inside 'data/tiles/val', which the pipeline writes",
        {"decide__unlabelled": "data/unlabelled"},
    ),
]


@pytest.mark.parametrize(("refused", "part", "allowed"), CASES)
def test_each_senseless_combination_is_refused_and_its_neighbour_is_not(refused, part, allowed, problems):
    (text,) = problems(**refused)
    assert text.startswith("params.yaml: ")
    assert part in text
    assert problems(**allowed) == []


def test_objects_are_pasted_only_where_there_are_classes_and_views():
    content = config.load(Path(__file__).parents[2])
    content["oversample"] |= {"strategy": REPEATING, "views": 3}
    pasting = content["oversample"]["copy_paste"]
    pasting |= {"frac": 0.5, "classes": []}
    (text,) = data.refused(content)
    assert "oversample.copy_paste.frac is 0.5, but oversample.copy_paste.classes names no class; list" in text
    pasting["classes"] = ["panel"]
    assert list(data.refused(content)) == []
    content["oversample"]["views"] = 0
    (text,) = data.refused(content)
    assert "objects are pasted onto views, and oversample.views is 0; set it to 3" in text


def test_the_outputs_are_those_of_dvc_yaml():
    stages = yaml.safe_load((Path(__file__).parents[2] / "dvc.yaml").read_text())["stages"].values()
    entries = [entry for stage in stages for kind in ("outs", "metrics") for entry in stage.get(kind, [])]
    assert sorted(data.OUTPUTS) == sorted(entry if isinstance(entry, str) else next(iter(entry)) for entry in entries)
