from pathlib import Path

import pytest

from counterpoise import config, stages, storage
from counterpoise.artifacts import code_lists
from counterpoise.config import InputError
from counterpoise.stages import code

FIND = "import importlib\ndef find(name):\n    return importlib.import_module(f'{__name__}.{name}')\n"
FILES = {
    "__init__.py": '"""A package."""\n',
    "py.typed": "",
    "notes.txt": "for nobody that runs\n",
    "seeds.py": "import math\n",
    "stages/__init__.py": "from counterpoise import seeds\n",
    "stages/check.py": "import counterpoise.stages.train\n",
    "stages/code.py": "import ast\n",
    "stages/train.py": (
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING\n"
        "from counterpoise import losses\n"
        "if TYPE_CHECKING:\n"
        "    from counterpoise.report import page\n"
        "def main(root):\n"
        "    try:\n"
        "        with open(root):\n"
        "            from counterpoise.networks.heads import linear as head\n"
        "    except OSError:\n"
        "        import counterpoise.networks.backbones\n"
    ),
    "stages/ingest.py": "from counterpoise.sources import find\n",
    "stages/report.py": "from counterpoise.report import page\nfrom counterpoise import losses\n",
    "losses/__init__.py": FIND,
    "losses/_shared.py": "x = 1\n",
    "losses/focal.py": "from . import _shared\nfrom ..networks import weights\n",
    "losses/ohem.py": "from counterpoise.losses import focal\n",
    "losses/ldam.py": "x = 1\n",
    "sources/__init__.py": FIND,
    "sources/csv.py": "import csv\nfrom counterpoise.networks import readers\n",
    "sources/tiff/__init__.py": "x = 1\n",
    "networks/__init__.py": '"""Only a docstring."""\n',
    "networks/heads.py": "linear = 1\n",
    "networks/backbones.py": "x = 1\n",
    "networks/readers.py": "x = 1\n",
    "networks/weights.py": "x = 1\n",
    "networks/outlines.json": "{}",
    "report/__init__.py": "MOST = 3\n",
    "report/page.py": "x = 1\n",
    "report/index.html.j2": "",
    "unused/__init__.py": "x = 1\n",
    "unused/style.css": "",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / code.PACKAGE
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def listed(stage: str, package: Path) -> set[str]:
    return {path.relative_to(package).as_posix() for path in code.run_by(stage, package)}


def test_a_stage_runs_what_it_imports_at_the_top_and_in_functions_with_the_packages_around(package: Path) -> None:
    found = listed("report", package)
    assert {"stages/report.py", "stages/__init__.py", "seeds.py", "report/__init__.py", "report/page.py"} <= found
    assert {"networks/heads.py", "networks/backbones.py"} <= listed("train", package)


def test_imports_for_annotations_and_files_of_a_docstring_do_not_run(package: Path) -> None:
    found = listed("train", package)
    assert not {"report/page.py", "report/__init__.py", "__init__.py", "networks/__init__.py"} & found


def test_every_member_of_an_open_set_may_run(package: Path) -> None:
    assert {"losses/focal.py", "losses/ohem.py", "losses/ldam.py"} <= listed("report", package)


def test_a_member_that_dvc_yaml_names_is_left_out_but_not_what_it_imports(package: Path) -> None:
    train, ingest = listed("train", package), listed("ingest", package)
    assert not {"losses/ohem.py", "losses/ldam.py"} & train
    assert {"losses/__init__.py", "losses/_shared.py", "networks/weights.py"} <= train
    assert "losses/focal.py" in train, "ohem imports it"
    assert not {"sources/csv.py", "sources/tiff/__init__.py"} & ingest
    assert {"sources/__init__.py", "networks/readers.py"} <= ingest


def test_the_stage_that_finds_code_while_it_runs_may_run_all(package: Path) -> None:
    (package / ".#seeds.py.json").touch()
    assert listed("check", package) == {*FILES} - {"py.typed", "notes.txt"}


def test_templates_and_tables_beside_the_code_count_but_not_those_elsewhere(package: Path) -> None:
    assert "report/index.html.j2" in listed("report", package)
    assert "networks/outlines.json" in listed("train", package)
    assert not {path for path in listed("train", package) if path.endswith((".css", ".typed", ".txt"))}


def test_a_change_shows_in_the_lists_of_the_stages_that_run_it(package: Path, tmp_path: Path) -> None:
    def lists() -> dict[str, str]:
        for function in (code._statements, code._imports, code._members):
            function.cache_clear()
        code.main(tmp_path)
        return {path.stem: path.read_text() for path in (tmp_path / code_lists.FOLDER).iterdir()}

    before = lists()
    assert set(before) == {"check", "ingest", "report", "train"}, "all but code"
    assert before == lists()
    (package / "report" / "page.py").write_text("colour = 1\n")
    after = lists()
    assert [stage for stage in sorted(before) if before[stage] != after[stage]] == ["check", "report"]
    assert f"{storage.checksum_of(package / 'report' / 'page.py')}  {code.PACKAGE}/report/page.py\n" in after["report"]
    (package / "stages" / "report.py").unlink()
    assert set(lists()) == {"check", "ingest", "train"}


def test_a_mistake_in_a_file_is_said_with_its_place(package: Path, tmp_path: Path) -> None:
    (package / "report" / "page.py").write_text("x = 1\ndef broken(:\n")
    code._statements.cache_clear()
    with pytest.raises(InputError, match=r"report/page\.py:2: invalid syntax; correct it"):
        code.main(tmp_path)


def test_a_folder_without_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder src/counterpoise in"):
        code.main(tmp_path)


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("if typing.TYPE_CHECKING:\n    import counterpoise.seeds\n", False),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    import counterpoise.seeds\n", True),
        ("if not TYPE_CHECKING:\n    import counterpoise.seeds\n", True),
        ("for _ in ():\n    match 1:\n        case 1:\n            from .. import seeds\n", True),
    ],
)
def test_what_runs_is_told_from_what_is_for_types(text: str, runs: bool, package: Path) -> None:
    for file in ("stages/__init__.py", "stages/train.py"):
        (package / file).write_text(text if file == "stages/train.py" else "x = 1\n")
    code._statements.cache_clear()
    code._imports.cache_clear()
    assert ("seeds.py" in listed("train", package)) is runs


def test_what_an_editor_leaves_beside_code_changes_nothing(package: Path) -> None:
    before = listed("report", package)
    for name in (".page.py.swp", "page.py~", "page.py.orig", ".hidden.json", "LICENSE"):
        (package / "report" / name).touch()
    assert listed("report", package) == before


def test_a_stage_whose_code_is_not_that_of_its_list_stops_before_it_runs(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code.main(tmp_path)
    assert code_lists.changed(tmp_path, "report") == []
    assert code_lists.changed(tmp_path, "code") == [], "it has no list"
    (package / "report" / "page.py").write_text("x = 2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(package / "stages" / "report.py")])
    with pytest.raises(SystemExit, match=r"src/counterpoise/report/page.py is not as in results/code/report.txt"):
        stages.run(lambda *_: pytest.fail("it ran"), config.Section)
    (package / "report" / "page.py").unlink()
    assert code_lists.changed(tmp_path, "report") == ["src/counterpoise/report/page.py"]
