"""One training on several nodes of a Ray cluster: Ray Train starts the processes, as `torchrun` does elsewhere.

Ray Train notices when one of them is lost, and ends the others, which would wait for its gradients for ever. Training
then goes on from its last epoch, on the nodes that are there.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from counterpoise.config import InputError
from counterpoise.engine import ray_cluster, ray_worker
from counterpoise.engine.ray_worker import Needs
from counterpoise.engine.work import ENGINE
from counterpoise.storage import ArtifactError

STARTS_S = 30
"""How long the cluster may take to have room for all processes. It notices sooner that a node is gone."""
VARIABLES = {
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # what is printed goes to the driver, and not to a log
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(STARTS_S),
}
"""Variables of the environment that Ray Train reads."""


class Group(NamedTuple):
    """The processes of a training: how many there are, and what each takes."""

    size: int
    needs: Needs


def together(root: Path, function: Callable[[], None], *, most: int, on_gpu: bool) -> None:
    """Train on the cluster; arguments as those of `engine.spread.together`.

    Raises:
        InputError: The cluster does not answer or has no room, a node lacks what it needs, or processes of the training
            were lost again and again.
        ArtifactError: A file is damaged.
        OSError: A node could not write or read.
    """
    ray_cluster.connect()
    for _ in range(ray_cluster.RETRIES + 1):
        needs, nodes = ray_cluster.shares(on_gpu), [own for own, _ in ray_cluster.nodes()]
        group = Group(min(ray_cluster.room(needs), most), needs) if needs.gpus else one_per_node(nodes, most)
        if group.size == 1 and ray_cluster.is_here(group.needs):
            function()
            return
        if _is_done(root, function, group, len(nodes)):
            return
    raise InputError(
        f"processes of the training were lost {ray_cluster.RETRIES + 1} times, as they or their nodes were killed, "
        "perhaps for want of memory (the logs of Ray say more); run it again, and it goes on from its last epoch"
    )


def one_per_node(cpus: Sequence[float], most: int) -> Group:
    """Let each node be a process, all with as many CPUs as the smallest of them has.

    Nodes so small that all others would wait for them are left out.

    Args:
        cpus: CPUs of every node; at least one has a CPU.
        most: How many processes may share a batch.

    Example:
        >>> one_per_node([16, 16, 2, 0], 8)
        Group(size=2, needs=Needs(cpus=16, gpus=0))
    """
    sizes = sorted((int(own) for own in cpus if own >= 1), reverse=True)[:most]
    count = max(range(1, len(sizes) + 1), key=lambda number: number * sizes[number - 1])
    return Group(count, Needs(sizes[count - 1], 0))


def _is_done(root: Path, function: Callable[[], None], group: Group, nodes: int) -> bool:
    """Train with a group of processes; `False` if one of them was lost."""
    import ray.train as package
    from ray.train.torch import TorchTrainer

    os.environ.update(VARIABLES)
    main = getattr(sys.modules["__main__"].__spec__, "name", "__main__")
    with ray_cluster.token(root) as token, tempfile.TemporaryDirectory() as own:
        pickled = ("training", pickle.dumps(function))
        setup = ray_worker.Setup(pickled, str(root.absolute()), token, "", main, group.needs)
        trainer = TorchTrainer(
            _loop(),
            train_loop_config={"setup": pickle.dumps(setup)},
            scaling_config=package.ScalingConfig(
                num_workers=group.size,
                use_gpu=group.needs.gpus > 0,
                resources_per_worker={"CPU": group.needs.cpus, "GPU": group.needs.gpus},
                placement_strategy="PACK" if group.needs.gpus else "STRICT_SPREAD",
            ),
            run_config=package.RunConfig(
                name="train",
                storage_path=own,
                failure_config=package.FailureConfig(max_failures=0, controller_failure_limit=0),
            ),
        )
        try:
            printed = _watched(trainer.fit, root / token).return_value
        except package.WorkerGroupError as error:
            if not _was_killed(error.worker_failures.values()):
                raise
            print("a process of the training was lost; it goes on from its last epoch", file=sys.stderr)
            for said in {f"{type(own).__name__}: {own}" for own in error.worker_failures.values() if not _is_loss(own)}:
                print(f"another process of it failed: {said}", file=sys.stderr)
            return False
        except package.ControllerError as error:
            if not _may_start(error.controller_failure, group, is_same=len(ray_cluster.nodes()) == nodes):
                raise
            return False
    print(printed, end="")
    return True


def _watched(fit: Callable[[], Any], path: Path) -> Any:  # noqa: ANN401 - a result of Ray Train
    """Train in a thread, and show what the first process writes into a file meanwhile, such as its progress.

    In the main thread, Ray Train would handle Ctrl-C, and end this process as if the training were done.
    """
    ended: list[Any] = []

    def run() -> None:
        try:
            ended.append(fit())
        except Exception as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    with path.open(encoding="utf-8", errors="replace") as file:
        while thread.is_alive():
            thread.join(0.5)
            sys.stderr.write(file.read())
            sys.stderr.flush()
        sys.stderr.write(file.read())  # what came between reading and looking
    if isinstance(ended[0], Exception):
        raise ended[0]
    return ended[0]


def _was_killed(failures: Collection[Exception]) -> bool:
    """Say whether a process was killed, which closes its connections to the others; if not, there is a bug.

    Raises:
        InputError: A node lacks what it needs, or the training says what the user can do.
        ArtifactError: A file is damaged.
        OSError: A node could not write or read.
    """
    for failure in failures:
        if isinstance(failure, ImportError):
            raise ray_cluster.refused(failure) from None
        if isinstance(failure, (InputError, ArtifactError, OSError)):
            raise failure from None
    return any(map(_is_loss, failures))


def _is_loss(failure: Exception) -> bool:
    """Say whether a failure is that of a process that was killed, or of one that was connected to it."""
    from torch.distributed import DistError

    is_rays = type(failure).__module__.startswith("ray.")
    return is_rays or isinstance(failure, DistError) or "/gloo/" in str(failure)


def _may_start(failure: Exception, group: Group, *, is_same: bool) -> bool:
    """Say whether processes that did not start may do so the next time, since a node was lost.

    Raises:
        InputError: The cluster has no room, and is as it was.
    """
    kind = type(failure).__name__
    if kind == "WorkerGroupStartupTimeoutError" and is_same:
        needs = f"{group.needs.cpus} CPUs and a GPU" if group.needs.gpus else f"{group.needs.cpus} CPUs"
        raise InputError(
            f"the cluster of {ray_cluster.ADDRESS} had no room for {group.size} processes with {needs} each "
            f"within {STARTS_S} seconds; wait until its other work has ended (`ray status` shows it), or unset "
            f"{ENGINE} to train on this machine alone"
        ) from None
    return kind.startswith("WorkerGroupStartup")


def _loop() -> Callable[[dict[str, bytes]], str]:
    """Return what each process runs."""
    part = ray_cluster.on_node(__name__, take_part.__name__)

    def train(config: dict[str, bytes]) -> str:  # inside this function, as `on_node` says
        printed: str = part(config["setup"])
        return printed

    return train


def take_part(setup: bytes, node: str) -> str:
    """Be a process of a training, and return what it printed; the first one writes its progress into the token."""
    with ray_worker.placed(node):
        own = pickle.loads(setup)
        function = ray_worker.opened(own, node)
        os.environ["COUNTERPOISE_CPUS"] = str(own.needs.cpus * int(os.environ["LOCAL_WORLD_SIZE"]))  # those of all
        progress = Path(own.token if os.environ["RANK"] == "0" else os.devnull)
        with progress.open("a", buffering=1, encoding="utf-8") as file, io.StringIO() as printed:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(file):
                function()
            return printed.getvalue()
