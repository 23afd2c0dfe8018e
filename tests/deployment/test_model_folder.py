"""A folder that is no model, or not one of this version and task, is refused with the way out."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.deployment.test_predictor import NAMES, a_decision

from counterpoise import config, storage
from counterpoise.artifacts import decision, model
from counterpoise.config import InputError
from counterpoise.deployment import built, model_folder

CARD = model.Card("multiclass", "b", "linear", 0.0, 32, True, "none", NAMES, "cross_entropy", (), "avg", 0, 1)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "does not exist; name the top of a repository"),
        ("a file", "is a file; name the top of a repository"),
        ([], "is empty; name the top of a repository"),
        (["holiday.jpg"], r"holds no model of counterpoise, as there is no params\.yaml"),
        (["model.onnx", "model.json"], "is a model that `counterpoise export` wrote"),
    ],
)
def test_a_folder_that_is_no_repository_is_refused(files: Any, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "there"
    if files == "a file":
        folder.touch()
    elif files is not None:
        folder.mkdir()
        for name in files:
            (folder / name).touch()
    with pytest.raises(InputError, match=message):
        model_folder.locate(str(folder))


def test_the_repository_is_found_from_its_top_and_from_its_model(tmp_path: Path) -> None:
    (tmp_path / config.PATH).touch()
    (tmp_path / model.FOLDER).mkdir(parents=True)
    (tmp_path / model.CARD).touch()
    for named in (tmp_path, tmp_path / model.FOLDER):
        assert model_folder.locate(str(named)).resolve() == tmp_path.resolve()


def changed(root: Path, path: str, sums: str, **fields: Any) -> None:
    """Write an artifact as another version would: undamaged, with a field more or less."""
    content = json.loads((root / path).read_text()) | fields
    kept = {name: value for name, value in content.items() if value is not ...}
    storage.write_json(root / path, kept, root / sums)


@pytest.mark.parametrize(
    ("path", "sums", "fields", "message"),
    [
        (
            model.CARD,
            model.SUMS,
            {"backbone_of_tomorrow": 1},
            r"also has \['backbone_of_tomorrow'\], so another",
        ),
        (model.CARD, model.SUMS, {"pixels": ...}, r"model\.json lacks \['pixels'\], so another version"),
        (decision.PATH, decision.SUMS, {"gain": ...}, r"decision\.json lacks \['gain'\], so another version"),
    ],
)
def test_another_version_is_told_from_damage(path: str, sums: str, fields: Any, message: str, tmp_path: Path) -> None:
    model.write(tmp_path, CARD, {})
    decision.write(tmp_path, a_decision("multiclass"))
    changed(tmp_path, path, sums, **fields)
    with pytest.raises(InputError, match=message):
        built.read(tmp_path, {"task": "multiclass"})
    (tmp_path / path).write_text("{}")
    with pytest.raises(storage.ArtifactError, match="is damaged, or was edited by hand"):
        built.read(tmp_path, {"task": "multiclass"})


def test_a_model_of_another_task_and_a_decision_for_other_classes_are_refused(tmp_path: Path) -> None:
    model.write(tmp_path, CARD, {})
    decision.write(tmp_path, a_decision("multiclass"))
    assert built.read(tmp_path, {"task": "multiclass"}).card == CARD
    with pytest.raises(InputError, match="task is 'multilabel', but the model is of task 'multiclass'"):
        built.read(tmp_path, {"task": "multilabel"})
    model.write(tmp_path, replace(CARD, classes=("other", *NAMES[1:])), {})
    with pytest.raises(InputError, match=r"with classes \['rust', .*with classes \['other'"):
        built.read(tmp_path, {"task": "multiclass"})


def test_a_message_about_a_model_elsewhere_says_where_it_lies(tmp_path: Path) -> None:
    model.write(tmp_path, CARD, {})
    decision.write(tmp_path, a_decision("multiclass"))
    with pytest.raises(InputError, match=r"^in \.\./roofs, which --model names: params\.yaml: task is 'multilabel'"):
        built.read(tmp_path, {"task": "multilabel"}, "../roofs")
    of = built.read(tmp_path, {"task": "multiclass"}, str(tmp_path))
    storage.write_text(tmp_path / model.CARD, "{}")
    message = r"^in \S+, which --model names: models/model/model\.json is damaged.*\n- `dvc checkout -f models/model/m"
    with pytest.raises(storage.ArtifactError, match=message):
        next(of.answers([Path("a.png")]))
