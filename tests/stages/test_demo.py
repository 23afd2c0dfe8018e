import pytest

from counterpoise import demos
from counterpoise.config import InputError, validate
from counterpoise.stages import demo


def params(name: str) -> demo.Params:
    block = {"scenes": 3, "panel_frac": 0.05, "look_alikes": 1.0, "seed": 0}
    return validate(demo.Params, {"demo": {"name": name, "scenes": block}})


def test_none_leaves_an_empty_folder(tmp_path):
    demo.main(tmp_path, params("none"))
    assert list((tmp_path / demos.FOLDER).iterdir()) == []


def test_an_earlier_demo_is_replaced_whole(tmp_path):
    folder = tmp_path / demos.FOLDER
    folder.mkdir(parents=True)
    (folder / "old.png").touch()
    demos.write_sums(folder)
    demo.main(tmp_path, params("none"))
    assert list(folder.iterdir()) == []
    assert list(folder.parent.iterdir()) == [folder]


def test_an_unknown_demo_is_refused_and_leaves_what_was_there(tmp_path):
    folder = tmp_path / demos.FOLDER
    folder.mkdir(parents=True)
    (folder / "old.png").touch()
    demos.write_sums(folder)
    with pytest.raises(InputError, match=r"demo\.name is 'elvp'; .*'none'.* did you mean 'elpv'\?"):
        demo.main(tmp_path, params("elvp"))
    assert sorted(path.name for path in folder.iterdir()) == [demos.SUMS, "old.png"]


@pytest.mark.parametrize("name", ["none", "elpv"])
@pytest.mark.parametrize("marked", [False, True])
def test_files_that_no_demo_wrote_are_never_deleted(tmp_path, name, marked):
    folder = tmp_path / demos.FOLDER
    (folder / "mine").mkdir(parents=True)
    if marked:
        (folder / "old.png").touch()
        demos.write_sums(folder)
    for number in range(5):
        (folder / "mine" / f"{number}.png").touch()
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError) as caught:
        demo.main(tmp_path, params(name))
    assert "data/demo holds files that the demo did not write" in str(caught.value)
    assert ": mine/0.png, mine/1.png, mine/2.png and 2 more. Nothing was deleted." in str(caught.value)
    assert "set ingest.root to that folder and demo.name to none in params.yaml" in str(caught.value)
    assert sorted(folder.rglob("*")) == before


def test_elpv_is_written_with_its_labels(tmp_path):
    pytest.importorskip("elpv_dataset")
    demo.main(tmp_path, params("elpv"))
    assert sorted(path.name for path in (tmp_path / demos.FOLDER).iterdir()) == [
        "NOTICE.txt",
        "SHA256SUMS",
        "images",
        "labels.csv",
    ]
    demo.main(tmp_path, params("elpv"))


def test_scenes_are_written_by_their_own_block(tmp_path):
    demo.main(tmp_path, params("scenes"))
    assert len(list((tmp_path / demos.FOLDER / "images").iterdir())) == 3
    assert (tmp_path / demos.FOLDER / "annotations.json").is_file()
    demo.main(tmp_path, params("none"))
