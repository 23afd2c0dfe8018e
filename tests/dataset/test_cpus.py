import os
from pathlib import Path

import pytest

from counterpoise.dataset import cpus


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_without_a_quota_the_cores_count(tmp_path: Path) -> None:
    assert cpus.available(tmp_path) == 8
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}
    assert cpus.available(write(tmp_path, files)) == 8


@pytest.mark.parametrize(("quota", "count"), [(200_000, 2), (150_000, 2), (10_000, 1), (10_000_000, 8)])
def test_the_quota_of_a_cgroup_of_version_2_counts(quota: int, count: int, tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": f"{quota} 100000\n"}
    assert cpus.available(write(tmp_path, files)) == count


def test_the_quota_of_a_group_above_counts_too(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/user.slice/job\n",
        "sys/fs/cgroup/user.slice/job/cpu.max": "max 100000\n",
        "sys/fs/cgroup/user.slice/cpu.max": "300000 100000\n",
    }
    assert cpus.available(write(tmp_path, files)) == 3


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize("group", ["docker/abc", ""])
def test_the_quota_of_a_cgroup_of_version_1_counts(group: str, mount: str, tmp_path: Path) -> None:
    folder = f"sys/fs/cgroup/{mount}/{group}".rstrip("/")
    files = {
        "proc/self/cgroup": "12:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n",
        f"{folder}/cpu.cfs_quota_us": "400000\n",
        f"{folder}/cpu.cfs_period_us": "100000\n",
    }
    assert cpus.available(write(tmp_path, files)) == 4
    write(tmp_path, {f"{folder}/cpu.cfs_quota_us": "-1\n"})
    assert cpus.available(tmp_path) == 8


def test_damaged_files_are_no_quota(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "odd\n0::/\n", "sys/fs/cgroup/cpu.max": "many few\n"}
    assert cpus.available(write(tmp_path, files)) == 8


def test_fewer_cores_than_the_quota_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"}
    assert cpus.available(write(tmp_path, files)) == 1
