"""Stages and studies on a cluster of two nodes, which are processes of this machine that meet on a loopback address."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
import yaml
from filelock import FileLock
from PIL import Image
from tests import processes, s3
from tests.test_pipeline import ENVIRONMENT, ROOT, new_repository, run

from counterpoise import config
from counterpoise.artifacts import decision, model, predictions, training
from counterpoise.decision import rules
from counterpoise.engine.work import ENGINE
from counterpoise.study import summary

HOST = "127.0.0.2"
"""Ray takes 127.0.0.1 for the address of this machine in its network, which another loopback address is not."""
STORE_BYTES = 100 * 2**20
ARMS = ("--arms", "cross_entropy,focal,over")
RESULTS = (summary.JSON, summary.METRICS, summary.LEADERBOARD, summary.DIFFERENCES)
LONG_S = 300.0
TRAIN = "counterpoise.stages.train"
AGENT = ("-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: counterpoise[ray]"),
    pytest.mark.skipif(sys.platform != "linux", reason=f"only Linux answers at {HOST}"),
]


@pytest.fixture(scope="module")
def bucket() -> Iterator[dict[str, str]]:
    """Serve an S3, for those who have the extra."""
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("s3fs") is None:
        yield {}
    else:
        with s3.served() as variables:
            yield variables


@pytest.fixture(scope="module")
def cluster(bucket: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start a head, which has a CPU."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}:{ENVIRONMENT.get('PYTHONPATH', '')}")
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("node")))
        patch.setenv("RAY_TMPDIR", "/tmp")  # its sockets need short names
        for name, value in bucket.items():
            patch.setenv(name, value)
        node = {"node_ip_address": HOST, "num_cpus": 1, "object_store_memory": STORE_BYTES, "include_dashboard": False}
        started = Cluster(initialize_head=True, head_node_args=node)
        yield started
        started.shutdown()


@pytest.fixture
def second(cluster: Any) -> Iterator[Any]:
    """Add a second node, with another CPU, for as long as a test runs."""
    node = cluster.add_node(node_ip_address=HOST, num_cpus=1, object_store_memory=STORE_BYTES)
    yield node
    if node in cluster.list_all_nodes():
        cluster.remove_node(node)


@pytest.fixture
def on_ray(cluster: Any) -> dict[str, str]:
    """The environment of a driver."""
    return ENVIRONMENT | {"COUNTERPOISE_ENGINE": "ray", "RAY_ADDRESS": cluster.address}


@contextmanager
def blind(cluster: Any, hidden: Path, size: str = "1g") -> Iterator[None]:
    """Add a second node, with another CPU, for which a folder is an empty disk of some size."""
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("only root may give a process its own view of the files")
    node = ("--address", cluster.address, "--node-ip-address", HOST, "--num-cpus", "1")
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *node]
    mount = f'mount -t tmpfs -o size={size} none {hidden} && mkdir -p "$TMPDIR" && exec "$@"'
    whole = ["unshare", "--mount", "sh", "-c", mount, "sh", *start, "--object-store-memory", str(STORE_BYTES)]
    process, known = subprocess.Popen(whole, stdout=subprocess.DEVNULL), len(cluster.list_all_nodes())
    try:
        while len(cluster.global_state._live_node_ids()) <= known:
            assert process.poll() is None
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(params=["a shared folder", "a store"])
def nodes(
    request: pytest.FixtureRequest,
    cluster: Any,
    on_ray: dict[str, str],
    bucket: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, str]]:
    """Two nodes that see the repository, or of which one does not; yields the environment of a driver."""
    if request.param == "a shared folder":
        request.getfixturevalue("second")
        yield on_ray
    elif not bucket:
        pytest.skip("there is no S3 to test with: counterpoise[dev-cluster]")
    else:
        with blind(cluster, tmp_path_factory.getbasetemp()):
            yield on_ray | bucket | {"COUNTERPOISE_STORE": f"s3://{s3.BUCKET}/a/prefix"}


def changed(root: Path, changes: dict[str, dict[str, object]]) -> None:
    content = config.load(root)
    for section, own in changes.items():
        content[section] |= own
    (root / config.PATH).write_text(yaml.safe_dump(content, sort_keys=False))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a problem on this machine alone, whose features are computed one by one."""
    root = new_repository(tmp_path_factory.mktemp("frozen"))
    changed(root, {"embed": {"batch_size": 1}, "model": {"device": "cpu"}})
    for number in range(200):
        pixels = np.random.default_rng(number).integers(20, 100, (24, 24, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"data/raw/shapes/dark/more{number:03d}.png")
    run(root, "dvc", "add", "--quiet", "data/raw/shapes")
    run(root, "dvc", "repro", "evaluate")
    return root


def begin(root: Path, environment: dict[str, str], *command: str) -> processes.Started:
    return processes.start("-m", *command, folder=root, environment=environment)


def complete(root: Path, environment: dict[str, str], *command: str) -> processes.Done:
    began_s = time.monotonic()
    done = begin(root, environment, *command).wait(LONG_S)
    assert done.returncode == 0, done.stderr
    print(f"{' '.join(command)}: {time.monotonic() - began_s:.1f} s")
    return done


def wait_for(happened: Callable[[], bool], process: processes.Started) -> None:
    """Wait until something happened, while a process runs."""
    until = time.monotonic() + LONG_S
    while not happened():
        assert process.runs(), process.wait().stderr
        assert time.monotonic() < until
        time.sleep(0.05)


def batches(root: Path) -> int:
    """Count the batches that `embed` has kept so far."""
    return sum(len(log.read_bytes().splitlines()) for log in root.glob(".checkpoints/embed-*/log"))


def is_up_to_date(root: Path, stage: str) -> bool:
    """Say whether a stage has left what it left when it ran on this machine alone."""
    return run(root, "dvc", "status", stage).strip().endswith("Data and pipelines are up to date.")


def test_tiles_and_features_are_those_of_one_machine(built: Path, nodes: dict[str, str]) -> None:
    for stage, folder in (("tile", "data/tiles"), ("embed", "data/features")):
        shutil.rmtree(built / folder)
        complete(built, nodes, f"counterpoise.stages.{stage}")
        assert is_up_to_date(built, stage)


def test_embed_goes_on_when_a_node_is_killed(built: Path, cluster: Any, second: Any, on_ray: dict[str, str]) -> None:
    shutil.rmtree(built / "data/features")
    began_s = time.monotonic()
    driver = begin(built, on_ray, "counterpoise.stages.embed")
    wait_for(lambda: batches(built) > 0, driver)
    cluster.remove_node(second, allow_graceful=False)
    assert driver.runs(), "there is nothing left to lose"
    done = driver.wait(LONG_S)
    assert done.returncode == 0, done.stderr
    print(f"embed, of which a node was killed: {time.monotonic() - began_s:.1f} s")
    assert is_up_to_date(built, "embed")


@pytest.mark.parametrize("ending", ["succeeds", "fails"])
def test_a_task_that_runs_again_gives_all_results_or_an_error(
    ending: str, on_ray: dict[str, str], tmp_path: Path
) -> None:
    done = begin(tmp_path, on_ray, "tests.lost_task", ending).wait(LONG_S)
    assert (tmp_path / "killed").exists()
    if ending == "succeeds":
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("[0, 1, 2, 3]\n"), "Ray itself prints what it has lost"
    else:
        assert done.returncode == 1
        assert "a task failed when it ran again, after its process or its node was lost" in done.stderr
        assert "Traceback" not in done.stderr


def test_repro_goes_on_when_the_driver_was_killed(built: Path, second: Any, on_ray: dict[str, str]) -> None:
    lock = (built / "dvc.lock").read_text()
    driver = begin(built, on_ray, "counterpoise.stages.embed")
    wait_for(lambda: batches(built) > 0, driver)
    driver.kill()
    driver.wait()
    assert batches(built) > 0
    again = processes.start("dvc", "repro", "--force", "--single-item", "embed", folder=built, environment=on_ray)
    done = again.wait(LONG_S)
    assert done.returncode == 0, done.stderr
    assert not list(built.glob(".checkpoints/embed-*")), "what was kept is used"
    assert (built / "dvc.lock").read_text() == lock


@pytest.fixture(scope="module")
def studied(built: Path) -> dict[str, str]:
    """Run a study on this machine alone."""
    complete(built, ENVIRONMENT, "counterpoise", "study", *ARMS)
    return {name: (built / name).read_text() for name in RESULTS}


def test_a_study_finds_what_it_finds_on_one_machine(
    studied: dict[str, str], built: Path, nodes: dict[str, str]
) -> None:
    shutil.rmtree(built / "study/cells")
    complete(built, nodes, "counterpoise", "study", *ARMS)
    assert {name: (built / name).read_text() for name in RESULTS} == studied


def test_a_study_goes_on_when_a_node_is_killed(
    studied: dict[str, str], built: Path, cluster: Any, second: Any, on_ray: dict[str, str]
) -> None:
    shutil.rmtree(built / "study/cells")
    driver = begin(built, on_ray, "counterpoise", "study", *ARMS)
    wait_for(lambda: len(list((built / "study/cells").glob("*.npz"))) > 2, driver)
    cluster.remove_node(second, allow_graceful=False)
    assert driver.runs(), "there is nothing left to lose"
    done = driver.wait(LONG_S)
    assert done.returncode == 0, done.stderr
    assert {name: (built / name).read_text() for name in RESULTS} == studied


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, predictions.Predictions]]:
    """Train a whole network on this machine, and predict with it."""
    root = new_repository(tmp_path_factory.mktemp("whole"))
    network = {"freeze": "none", "device": "cpu", "dropout": 0.2}
    changed(root, {"model": network, "train": {"solver": "adamw", "epochs": 1}, "predict": {"batch_size": 2}})
    run(root, "dvc", "repro", "predict")
    return root, {split: predictions.read(root, split) for split in ("val", "test")}


def test_predictions_of_a_whole_network_are_those_of_one_machine(
    whole: tuple[Path, dict[str, predictions.Predictions]], nodes: dict[str, str]
) -> None:
    root, alone = whole
    shutil.rmtree(root / "results/predictions")
    complete(root, nodes, "counterpoise.stages.predict")
    for split, expected in alone.items():
        found = predictions.read(root, split)
        assert (found.image_ids, found.labels) == (expected.image_ids, expected.labels)
        np.testing.assert_allclose(found.logits, expected.logits, atol=1e-5)


def refusal(root: Path, environment: dict[str, str]) -> str:
    """Return what `tile` says when a node cannot do its work, and see that nothing is lost."""
    done = begin(root, environment, "counterpoise.stages.tile").wait(LONG_S)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert is_up_to_date(root, "tile")
    return done.stderr


@contextmanager
def with_package(cluster: Any, folder: Path) -> Iterator[None]:
    """Add a node that finds the package in a folder."""
    paths = {"PYTHONPATH": str(folder)}
    node = cluster.add_node(node_ip_address=HOST, num_cpus=8, object_store_memory=STORE_BYTES, env_vars=paths)
    try:
        yield
    finally:
        cluster.remove_node(node)


def test_a_node_with_another_version_is_named(
    built: Path, cluster: Any, on_ray: dict[str, str], tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "src/counterpoise", tmp_path / "counterpoise")
    with (tmp_path / "counterpoise/seeds.py").open("a") as file:
        file.write("\n")
    with with_package(cluster, tmp_path):
        said = refusal(built, on_ray)
    assert f"node {HOST} has other packages than this machine: code of counterpoise " in said


def test_a_node_without_the_package_is_named(built: Path, cluster: Any, on_ray: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "counterpoise").mkdir()
    (tmp_path / "counterpoise/__init__.py").touch()  # what another project has under this name
    with with_package(cluster, tmp_path):
        said = refusal(built, on_ray)
    assert f"node {HOST} cannot import what this machine can: No module named 'counterpoise.engine'" in said


def test_a_node_that_does_not_see_the_folder_is_named(
    built: Path, cluster: Any, on_ray: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with blind(cluster, tmp_path_factory.getbasetemp()):
        said = refusal(built, on_ray)
    assert f"node {HOST} does not see the folder {built} of this machine" in said


def test_a_node_without_room_for_what_it_fetches_is_named(
    built: Path, cluster: Any, on_ray: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with TemporaryDirectory(dir="/tmp") as seen, blind(cluster, tmp_path_factory.getbasetemp(), "64k"):
        said = refusal(built, on_ray | {"COUNTERPOISE_STORE": Path(seen).as_uri()})
    assert f"/objects on node {HOST}: the disk is full; free some space" in said


class Trained(NamedTuple):
    """What a training leaves, and what is decided by it."""

    history: pd.DataFrame
    weights: dict[str, torch.Tensor]
    decisions: np.ndarray[Any, Any]


def decided(root: Path) -> np.ndarray[Any, Any]:
    """Predict on this machine, and decide by the rule that was chosen last."""
    complete(root, ENVIRONMENT, "counterpoise.stages.predict")
    chosen = decision.read(root)
    logits = np.concatenate([predictions.read(root, split).logits for split in ("val", "test")])
    return rules.decided(chosen, rules.probabilities(chosen, logits))


@pytest.fixture(scope="module")
def by_one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trained]:
    """Train a whole network by one process of this machine alone."""
    root = new_repository(tmp_path_factory.mktemp("whole"))
    network = {"backbone": "convnext_atto", "weights": "none", "freeze": "none", "device": "cpu", "dropout": 0.0}
    schedule = {"solver": "adamw", "epochs": 16, "batch_size": 64, "monitor": "none"}
    changed(root, {"model": {**network, "input_px": 32}, "train": schedule})
    run(root, "dvc", "repro", "decide")
    return root, Trained(training.read(root), model.read_weights(root), decided(root))


@pytest.fixture
def untrained(by_one: tuple[Path, Trained]) -> Path:
    """The repository without its model."""
    for folder in ("models/model", "results/train"):
        shutil.rmtree(by_one[0] / folder, ignore_errors=True)
    return by_one[0]


def is_as_by_one_process(root: Path, alone: Trained) -> None:
    """Compare; the batch norm of the head sees each process's own half of a batch, and all else agrees."""
    assert not list(root.glob(".checkpoints/train-*"))
    history, weights = training.read(root), model.read_weights(root)
    own = [name for name in alone.weights if "running" not in name]
    for name, tolerance in (("train/loss", 0.1), ("val/loss", 0.02)):
        np.testing.assert_allclose(history[name], alone.history[name], atol=tolerance)
        print(f"{name} differs by at most {(history[name] - alone.history[name]).abs().max():.4f}")
    for name in own:
        np.testing.assert_allclose(weights[name], alone.weights[name], atol=0.01, err_msg=name)
    print(f"weights differ by at most {max(float((weights[k] - alone.weights[k]).abs().max()) for k in own):.4f}")


def epochs(root: Path) -> list[dict[str, float]]:
    """Read the epochs of a training that was interrupted."""
    (path,) = root.glob(".checkpoints/train-*/state.pt")
    history: list[dict[str, float]] = torch.load(path, weights_only=True)["history"]
    return history


def has_begun(root: Path) -> bool:
    return bool(list(root.glob(".checkpoints/train-*/state.pt")))


def went_on(root: Path, before: list[dict[str, float]]) -> None:
    """Check that what was trained before was not trained again: by another number of processes, it would differ."""
    after = training.read(root).to_dict("records")
    assert 0 < len(before) < len(after), "nothing was left to train"
    for old, new in zip(before, after, strict=False):
        assert {name: new[name] for name in old} == old


@pytest.mark.parametrize("kills", [False, True])
def test_a_network_trained_on_two_nodes_is_that_of_one_process(
    kills: bool, untrained: Path, by_one: tuple[Path, Trained], cluster: Any, second: Any, on_ray: dict[str, str]
) -> None:
    began_s = time.monotonic()
    driver = begin(untrained, on_ray, TRAIN)
    before = []
    if kills:
        wait_for(lambda: has_begun(untrained), driver)
        workers = psutil.Process(second.all_processes["raylet"][0].process.pid).children(recursive=True)
        cluster.remove_node(second, allow_graceful=False)
        for worker in workers:  # at once, as when a machine loses its power
            with suppress(psutil.NoSuchProcess):
                worker.kill()
        before = epochs(untrained)
    done = driver.wait(LONG_S)
    assert done.returncode == 0, done.stderr
    assert "last epoch 16 of 16" in done.stdout
    print(f"trained in {time.monotonic() - began_s:.0f} s")
    assert ("a process of the training was lost; it goes on from its last epoch" in done.stderr) == kills
    is_as_by_one_process(untrained, by_one[1])
    if kills:
        went_on(untrained, before)
    else:
        np.testing.assert_array_equal(decided(untrained), by_one[1].decisions)


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_repro_trains_on_when_the_driver_was_killed(
    engine: str, untrained: Path, by_one: tuple[Path, Trained], second: Any, on_ray: dict[str, str]
) -> None:
    driver = begin(untrained, on_ray, TRAIN)
    wait_for(lambda: has_begun(untrained), driver)
    driver.kill()
    driver.wait()
    if engine == "local":
        with FileLock(untrained / ".train.lock", timeout=LONG_S):  # until Ray has ended the processes of the driver
            pass
    before = epochs(untrained)
    again = processes.start(
        "dvc", "repro", "--force", "--single-item", "train", folder=untrained, environment=on_ray | {ENGINE: engine}
    )
    done = again.wait(LONG_S)
    assert done.returncode == 0, done.stderr
    is_as_by_one_process(untrained, by_one[1])
    went_on(untrained, before)


@pytest.mark.parametrize("kills", [False, True])
def test_a_network_trained_by_two_agents_of_torchrun_is_that_of_one_process(
    kills: bool, untrained: Path, by_one: tuple[Path, Trained]
) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{one.getsockname()[1]}"
    command = [sys.executable, *AGENT, "--rdzv-endpoint", place, "-m", TRAIN]
    agents = [
        subprocess.Popen(command, cwd=untrained, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    if kills:
        while not has_begun(untrained):
            assert [agent.poll() for agent in agents] == [None, None]
            time.sleep(0.05)
        first, second = agents
        for process in [second, *psutil.Process(second.pid).children(recursive=True)]:
            process.kill()
        first.communicate(timeout=LONG_S)
        assert first.returncode == 1, "it waits for nobody"
        before = epochs(untrained)
        complete(untrained, ENVIRONMENT, TRAIN)
        went_on(untrained, before)
    said = [agent.communicate(timeout=LONG_S)[1] for agent in agents]
    assert kills or [agent.returncode for agent in agents] == [0, 0], said
    is_as_by_one_process(untrained, by_one[1])
    if not kills:
        np.testing.assert_array_equal(decided(untrained), by_one[1].decisions)
