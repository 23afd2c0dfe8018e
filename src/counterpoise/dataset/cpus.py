"""How many CPUs this process may use: fewer than the machine has, in a container or under a scheduler."""

from __future__ import annotations

import math
import os
from pathlib import Path

GIVEN_BY = "COUNTERPOISE_CPUS"
"""Variable of the environment that states the number, for a process that shares its machine with others of its kind."""


def available(system: Path = Path("/")) -> int:
    """Count the CPUs that this process may use: those it may run on, within the quota of its cgroup.

    Args:
        system: Where `proc` and `sys` lie.

    Returns:
        At least 1. A quota of part of a CPU is rounded up. A number that the environment states goes before all.
    """
    if (stated := os.environ.get(GIVEN_BY, "")).isdigit():
        return max(1, int(stated))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, min([cores, *(math.ceil(quota) for quota in _quotas(system))]))


def _quotas(system: Path) -> list[float]:
    """Read the quotas, in CPUs, of this process's cgroup and all above it, in versions 1 and 2."""
    found = []
    for line in _text(system / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = [system / "sys/fs/cgroup"]
        if controllers:
            mounts = [system / "sys/fs/cgroup" / name for name in dict.fromkeys(("cpu", controllers, "cpu,cpuacct"))]
        # In a container the path may be that of the host, whose files are not there: then the mount is the group.
        own = Path(group.strip("/"))
        for mount in mounts:
            for folder in (mount / own, *(mount / above for above in own.parents), mount):
                if quota := _quota(folder):
                    found.append(quota)
    return found


def _quota(folder: Path) -> float | None:
    words = _text(folder / "cpu.max").split() or [
        *_text(folder / "cpu.cfs_quota_us").split(),
        *_text(folder / "cpu.cfs_period_us").split(),
    ]
    try:
        quota, period = map(int, words)
    except ValueError:  # `max`, or no such file
        return None
    return quota / period if quota > 0 and period > 0 else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
