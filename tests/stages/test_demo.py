import pytest

from counterpoise.config import InputError, validate
from counterpoise.stages import demo


def params(name: str) -> demo.Params:
    return validate(demo.Params, {"demo": {"name": name}})


def test_none_leaves_an_empty_folder(tmp_path):
    demo.main(tmp_path, params("none"))
    assert list((tmp_path / demo.FOLDER).iterdir()) == []


def test_an_earlier_demo_is_replaced_whole(tmp_path):
    folder = tmp_path / demo.FOLDER
    folder.mkdir(parents=True)
    (folder / "old.png").touch()
    demo.main(tmp_path, params("none"))
    assert list(folder.iterdir()) == []
    assert list(folder.parent.iterdir()) == [folder]


def test_an_unknown_demo_is_refused_and_leaves_what_was_there(tmp_path):
    folder = tmp_path / demo.FOLDER
    folder.mkdir(parents=True)
    (folder / "old.png").touch()
    with pytest.raises(InputError, match=r"demo\.name is 'elvp'; .*'none'.* did you mean 'elpv'\?"):
        demo.main(tmp_path, params("elvp"))
    assert [path.name for path in folder.iterdir()] == ["old.png"]


def test_elpv_is_written_with_its_labels(tmp_path):
    pytest.importorskip("elpv_dataset")
    demo.main(tmp_path, params("elpv"))
    assert sorted(path.name for path in (tmp_path / demo.FOLDER).iterdir()) == ["NOTICE.txt", "images", "labels.csv"]
