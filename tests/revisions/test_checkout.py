"""What git says of commits, in repositories of a few files."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from counterpoise.artifacts import code_lists
from counterpoise.config import InputError
from counterpoise.revisions import checkout
from counterpoise.stages import code


def git(folder: Path, *arguments: str) -> str:
    own = ("-c", "user.name=test", "-c", "user.email=test@test", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *own, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make a repository of two commits."""
    folder = tmp_path / "here"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for number in range(2):
        (folder / "reports").mkdir(exist_ok=True)
        (folder / "params.yaml").write_text(f"seed: {number}\n")
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message", f"{number}")
    return folder


def test_a_commit_is_found_by_any_name_and_its_files_are_read(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD~1")
    assert checkout.resolve(repository, "HEAD~1") == checkout.resolve(repository, first[:8]) == first
    assert first.startswith(checkout.short(repository, first))
    assert checkout.text(repository, first, "params.yaml") == "seed: 0\n"
    assert checkout.text(repository, first, "nothing.yaml") == ""


@pytest.mark.parametrize("name", ["mian", "--all", "", "HEAD:params.yaml"])
def test_what_is_no_commit_is_refused_with_those_that_there_are(name: str, repository: Path) -> None:
    with pytest.raises(InputError, match=r"is no commit of this repository; expected one of \['main'\] or a hash"):
        checkout.resolve(repository, name)


def test_a_misspelt_branch_is_guessed(repository: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'main'"):
        checkout.resolve(repository, "mian")


def test_a_shallow_clone_says_how_to_get_the_rest(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth", "1", repository.as_uri(), "shallow")
    with pytest.raises(InputError, match=r"'HEAD~1' is not in this shallow clone; run `git fetch .*`fetch-depth: 0`"):
        checkout.resolve(tmp_path / "shallow", "HEAD~1")


def test_outside_of_git_and_without_git_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(InputError, match="is in no git repository"):
        checkout.resolve(tmp_path, "main")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="is in no git repository"):
        checkout.resolve(tmp_path, "main")


def test_what_is_not_committed_is_listed(repository: Path) -> None:
    assert checkout.uncommitted(repository) == []
    (repository / "params.yaml").write_text("seed: 2\n")
    (repository / "reports" / "new.json").touch()
    (repository / "note.txt").touch()
    assert checkout.uncommitted(repository) == ["params.yaml", "reports/new.json"]


def said_by_dvc(monkeypatch: pytest.MonkeyPatch, stdout: str, code: int = 0, stderr: str = "") -> None:
    def run(*_: Any, **__: Any) -> SimpleNamespace:
        return SimpleNamespace(returncode=code, stdout=stdout, stderr=stderr)

    monkeypatch.setattr(subprocess, "run", run)


def test_data_that_lie_elsewhere_outdate_no_stage_but_code_and_outputs_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The forms are those of `dvc status --json`."""
    said_by_dvc(
        monkeypatch,
        """{"tile": [{"changed deps": {"data/raw": "deleted"}}, {"changed outs": {"data/tiles": "not in cache"}}],
        "train": [{"changed deps": {"params.yaml": {"loss": "modified"}}}],
        "report": ["changed command"],
        "evaluate": [{"changed outs": {"reports/metrics.json": "modified"}}]}""",
    )
    monkeypatch.setattr(code, "of_stages", lambda root: {})
    assert checkout.outdated_stages(Path(), {}) == ["train", "report", "evaluate"]


def test_changed_code_outdates_the_stages_that_run_it_before_dvc_knows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said_by_dvc(monkeypatch, '{"code": [{"changed deps": {"src/counterpoise": "modified"}}]}')
    stages = tmp_path / code.PACKAGE / "stages"
    stages.mkdir(parents=True)
    for name in ("check", "split", "report"):
        (stages / f"{name}.py").write_text("import json\n")
    code.main(tmp_path)
    locked = {
        code_lists.path(stage): hashlib.md5((tmp_path / code_lists.path(stage)).read_bytes()).hexdigest()
        for stage in ("check", "split", "report")
    }
    assert checkout.outdated_stages(tmp_path, locked) == ["code"]
    (stages / "split.py").write_text("import yaml\n")
    code._statements.cache_clear()
    assert checkout.outdated_stages(tmp_path, locked) == ["code", "check", "split"]
    said_by_dvc(monkeypatch, '{"split": [{"changed deps": {"results/code/split.txt": "deleted"}}]}')
    assert checkout.outdated_stages(tmp_path, locked) == ["check", "split"], "a clone after `dvc repro code`"


def test_a_folder_that_only_another_cache_holds_is_missing_with_the_reason(repository: Path, tmp_path: Path) -> None:
    """As in a clone without data: DVC knows the hash of the folder, and not what is in it."""
    (repository / ".dvc").mkdir()
    (repository / "boxes.dvc").write_text(
        "outs:\n- md5: 0123456789abcdef0123456789abcdef.dir\n  size: 1\n  nfiles: 1\n  hash: md5\n  path: boxes\n"
    )
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "boxes")
    missing = checkout.fetch(
        repository, git(repository, "rev-parse", "HEAD"), tmp_path / "copy", ["boxes", "params.yaml"]
    )
    assert list(missing) == ["boxes"]
    assert "boxes" in missing["boxes"]
    assert (tmp_path / "copy" / "params.yaml").read_text() == "seed: 1\n"


def test_parameters_keep_the_name_of_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    said_by_dvc(
        monkeypatch,
        '{"params.yaml": {"loss": {"old": "a", "new": "b"}}, "study/params.yaml": {"seed": {"new": 1}}}',
    )
    found = checkout.changed_parameters(Path(), "main")
    assert found == {"loss": ("a", "b"), "study/params.yaml: seed": (None, 1)}


def test_parameters_of_what_nobody_chose_are_left_out_and_the_others_sorted() -> None:
    """`counterpoise init` drops the blocks of sources that are not chosen; that changes nothing."""
    changed = {
        **{"seed": (0, 1), "losses.focal.gamma": (2, 1), "losses.ldam.scale": (30, 20), "loss": ("ldam", "ohem")},
        **{"ingest.sources.coco.file": ("a.json", None), "ingest.sources.csv.file": ("a.csv", "b.csv")},
        **{"ingest.source": ("csv", "csv"), "study/params.yaml: losses.focal": (1, 2)},
    }
    before = {"loss": "ldam", "ingest": {"source": "csv"}}
    found = checkout.in_use(changed, before, {"loss": "ohem", "ingest": {"source": "csv"}})
    left_out = {"losses.focal.gamma", "ingest.sources.coco.file"}
    assert list(found) == sorted(changed.keys() - left_out)
    assert all(found[name] == changed[name] for name in found)


def test_what_dvc_refuses_is_repeated_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    said_by_dvc(monkeypatch, "", 253, "ERROR: you are not inside of\n a DVC repository")
    with pytest.raises(InputError, match=r"`dvc params diff --json x` failed: ERROR: you are not inside of a DVC repo"):
        checkout.changed_parameters(Path(), "x")
