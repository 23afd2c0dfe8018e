"""Probabilities by models that never saw the image."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.study import conftest as small

from counterpoise import config
from counterpoise.config import InputError
from counterpoise.labelling import cross_fitting
from counterpoise.storage import ArtifactError
from counterpoise.study import arms, cells, experiment, study


def loaded(root: Path, **changes: Any) -> dict[str, Any]:
    changes = {"train.solver": "lbfgs"} | {name.replace("__", "."): value for name, value in changes.items()}
    return experiment.changed(config.load(root), changes)


def test_every_image_is_judged_once_by_a_head_that_did_not_see_its_unit(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[cells.Cell] = []
    compute = cells.compute

    def note(cell: cells.Cell, data: experiment.Data) -> cells.Tested:
        seen.append(cell)
        return compute(cell, data)

    monkeypatch.setattr(cells, "compute", note)
    found = cross_fitting.read(built, loaded(built))
    assert found.source == "heads fitted on the stored features, 5 folds"
    assert len(seen) == 5
    assert found.probs.shape == (280, 2)
    np.testing.assert_allclose(found.probs.sum(axis=1), 1)
    tested = [image for cell in seen for image, split in cell.split_of.items() if split == "test"]
    assert sorted(tested) == found.images.image_ids.tolist()
    truth = found.images.truth[:, 1]
    assert found.probs[truth, 1].mean() > found.probs[~truth, 1].mean() + 0.1


def test_any_number_of_labels_works_and_test_is_not_read(multilabel: tuple[Path, dict[str, Any]]) -> None:
    root, _ = multilabel
    for path in (root / "data" / "features" / "test").iterdir():
        path.write_bytes(b"damaged")
    found = cross_fitting.read(root, loaded(root))
    assert found.probs.shape == (240, 5)
    assert found.images.counted.tolist() == [True, True, True, False, True]
    assert all(image.startswith(("train", "val")) for image in found.images.image_ids)


def test_the_cells_of_a_study_are_read_and_nothing_is_trained(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = loaded(built)
    whole = yaml.safe_load((small.ROOT / arms.PATH).read_text())
    whole |= {"folds": 3, "repeats": 1, "every": {}, "arms": {"plain": {"loss": "cross_entropy"}}}
    (built / "study").mkdir()
    (built / arms.PATH).write_text(yaml.safe_dump(whole))
    setup = study.prepare(built, content, arms.read(built, content))
    for job in setup.jobs["plain"]:
        assert cells.work(job).fault is None
    monkeypatch.setattr(cells, "compute", lambda cell, data: pytest.fail("it trained"))
    found = cross_fitting.read(built, content)
    assert found.source == "arm 'plain' of the study, 3 folds x 1 repeats"
    assert np.isfinite(found.probs).all()


def test_whole_networks_are_not_trained_for_it(whole: Path) -> None:
    with pytest.raises(InputError, match=r"no study was run, and model\.freeze is not 'backbone'.*counterpoise study"):
        cross_fitting.read(whole, config.load(whole))


def test_what_cannot_be_cross_fitted_is_refused_with_the_reason(built: Path) -> None:
    with pytest.raises(InputError, match="task is 'detection', and labels are compared with models that never saw"):
        cross_fitting.read(built, loaded(built) | {"task": "detection"})
    with pytest.raises(InputError, match=r"split\.blocks\.size_px is not null"):
        cross_fitting.read(built, loaded(built, split__blocks__size_px=64))
    with pytest.raises(ArtifactError, match="run `dvc repro`"):
        cross_fitting.read(built, loaded(built, model__input_px=64))
