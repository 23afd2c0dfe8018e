"""The workflows of GitHub and of GitLab: valid by their schemas, and careful with what they let a stranger do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from counterpoise.revisions.comment import MARK

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
GITLAB = ROOT / "docs" / "ci" / "gitlab.yml"
COMMENTING = ROOT / ".github" / "workflows" / "metrics.yml"


@pytest.mark.parametrize(
    ("schema", "paths"),
    [("vendor.github-workflows", WORKFLOWS), ("vendor.gitlab-ci", [GITLAB])],
    ids=["GitHub", "GitLab"],
)
def test_workflows_fit_their_schemas(schema: str, paths: list[Path]) -> None:
    pytest.importorskip("check_jsonschema")  # of the extra `dev`
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
    transform = ["--data-transform", "gitlab-ci"] if schema == "vendor.gitlab-ci" else []
    done = subprocess.run([*command, *transform, *map(str, paths)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_no_token_may_write_where_code_of_a_pull_request_runs(path: Path) -> None:
    text = path.read_text()
    content: dict[Any, Any] = yaml.safe_load(text)
    assert all(re.search(r"@v\d+$", action) for action in re.findall(r"uses: (\S+)", text))
    assert "pull_request_target" not in str(content)
    for job in content["jobs"].values():
        allowed = {**content["permissions"], **job.get("permissions", {})}
        runs_code = any("checkout" in step.get("uses", "") for step in job["steps"])
        assert not runs_code or "write" not in allowed.values()
        assert job["timeout-minutes"] <= 60


@pytest.mark.parametrize("path", [COMMENTING, GITLAB], ids=["GitHub", "GitLab"])
def test_the_comment_is_found_again_by_its_first_line(path: Path) -> None:
    assert MARK in path.read_text()
    assert ".ci/pr_comment" in path.read_text()


def test_gitlabs_second_job_has_the_token_and_no_code() -> None:
    content: dict[str, Any] = yaml.safe_load(GITLAB.read_text())
    assert content["note"]["variables"]["GIT_STRATEGY"] == "none"
    assert "COMMENT_TOKEN" not in str(content["compare"])


def test_the_script_of_the_workflows_is_valid_and_refuses_uncommitted_changes(tmp_path: Path) -> None:
    script = ROOT / ".ci" / "pr_comment"
    subprocess.run(["bash", "-n", str(script)], check=True)
    (tmp_path / "a").write_text("1")
    for command in ("init -q", "add .", "-c user.name=t -c user.email=t@t commit -q -m one"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)
    (tmp_path / "a").write_text("2")
    done = subprocess.run([script, "HEAD"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "commit or stash your changes first" in done.stderr


def test_the_model_is_registered_as_an_output_that_dvc_finds_by_name() -> None:
    """`dvc artifacts get` reads this entry; its names allow lower-case letters, digits and hyphens."""
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    (name, entry), *others = pipeline["artifacts"].items()
    assert not others
    assert re.fullmatch(r"[a-z][a-z0-9-]*[a-z0-9]", name)
    assert entry["type"] == "model"
    assert entry["path"] in pipeline["stages"]["train"]["outs"]
    assert entry["desc"]
    assert entry["labels"]
