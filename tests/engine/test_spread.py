"""Which engine computes, and what a process of a cluster checks before it does."""

import errno
import os
import pickle
import socket
import subprocess
import sys
import threading
import types
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from counterpoise.config import InputError
from counterpoise.engine import ray_cluster, ray_tasks, ray_worker, spread
from counterpoise.engine.ray_worker import Needs, Setup
from counterpoise.engine.work import ENGINE
from counterpoise.storage import ArtifactError
from counterpoise.study import cells

NODE = "10.0.0.3"


def squares(numbers: Sequence[int]) -> Iterator[int]:
    yield from (number**2 for number in numbers)


def nothing(portion: object) -> list[Path]:
    return []


def failing(error: Exception, numbers: Sequence[int]) -> Iterator[int]:
    yield numbers[0]
    raise error


def warning(numbers: Sequence[int]) -> Iterator[int]:
    print("\rpredict: 100%\nit is slow", file=sys.stderr)
    yield from squares(numbers)


def writing(path: str, numbers: Sequence[int]) -> Iterator[int]:
    with open(path, "w") as file:  # noqa: PTH123 - an error of this kind names no file when it writes
        file.write("x")
    yield from numbers


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    """What a driver on this machine, in this folder, would send."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUNTERPOISE_CPUS", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(ray_worker, "_functions", {})
    (tmp_path / "token").touch()
    return Setup(("a", pickle.dumps(squares)), str(tmp_path), "token", "", "__main__", Needs(1, 0))


def sent(setup: Setup, work: Sequence[int] = (1, 2, 3)) -> list[bytes]:
    return list(ray_worker.compute(pickle.dumps(setup), pickle.dumps((work, [])), NODE))


def results(parcels: list[bytes]) -> list[object]:
    """Take the results of a task as from a cluster where nothing has to be waited for."""
    return list(ray_tasks._results(iter(parcels), Needs(1, 0), set()))


def error(setup: Setup) -> Exception:
    last = pickle.loads(sent(setup)[-1])
    assert last.is_last
    assert isinstance(last.content, Exception)
    return last.content


@pytest.fixture(autouse=True)
def package(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package in the place of Ray: every reference is what it stands for, and is there."""
    made: Any = types.ModuleType("ray")
    names = ["RayTaskError", "OutOfDiskError", "WorkerCrashedError", "OutOfMemoryError", "NodeDiedError"]
    names += ["ObjectLostError", "StreamingGeneratorReplayInconsistentError"]
    kinds = {name: type(name, (Exception,), {}) for name in names}
    made.exceptions = types.SimpleNamespace(**kinds)
    made.util = types.SimpleNamespace(get_node_ip_address=lambda: NODE)
    made.wait = lambda references, timeout: (references, [])
    made.get = lambda reference: reference
    monkeypatch.setitem(sys.modules, "ray", made)
    return made


@pytest.mark.parametrize("name", [None, "", "local"])
def test_this_machine_runs_the_function_itself(
    name: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(ENGINE, raising=False)
    if name is not None:
        monkeypatch.setenv(ENGINE, name)
    assert spread.spread(tmp_path, squares, portion=1, reads=nothing) is squares


def test_an_unknown_engine_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(ENGINE, "dask")
    with pytest.raises(InputError, match=r"COUNTERPOISE_ENGINE is 'dask'; expected one of \['local', 'ray'\]"):
        spread.spread(tmp_path, squares, portion=1, reads=nothing)


def test_a_process_computes_in_order(setup: Setup) -> None:
    assert results(sent(setup)) == [1, 4, 9]
    assert os.environ["COUNTERPOISE_CPUS"] == "1"


def test_many_results_come_in_several_parcels(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_worker, "RESULTS_BYTES", 8)
    assert len(sent(setup)) > 1
    assert results(sent(setup)) == [1, 4, 9]


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(slice(2), id="the error of the second run came in the place of a parcel that was there"),
        pytest.param(slice(1, None), id="the second run sent other parcels"),
        pytest.param(slice(0), id="nothing"),
    ],
)
def test_results_that_are_not_whole_are_refused(cut: slice, setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_worker, "RESULTS_BYTES", 1)
    with pytest.raises(InputError, match="a task failed when it ran again, after its process or its node was lost"):
        results(sent(setup)[cut])


def test_a_second_run_that_ray_finds_to_differ_is_refused(package: Any) -> None:
    def get(reference: object) -> None:
        raise package.exceptions.StreamingGeneratorReplayInconsistentError

    package.get = get
    with pytest.raises(InputError, match="a task failed when it ran again"):
        results([b""])


def test_a_package_that_is_missed_while_a_task_runs_is_named_with_the_node(setup: Setup, package: Any) -> None:
    missing = pickle.dumps(partial(failing, ModuleNotFoundError("No module named 'rasterio'")))
    with pytest.raises(ImportError) as found:
        sent(replace(setup, function=("h", missing)))

    def get(reference: object) -> None:
        error = package.exceptions.RayTaskError()
        error.cause = found.value
        raise error

    package.get = get
    with pytest.raises(InputError, match=f"node {NODE} cannot import .* No module named 'rasterio'; install the same"):
        results([b""])


def test_what_is_said_meanwhile_is_shown_once_and_no_progress_bar(
    setup: Setup, capsys: pytest.CaptureFixture[str]
) -> None:
    parcels, said = sent(replace(setup, function=("g", pickle.dumps(warning)))), set[str]()
    for _ in range(2):
        assert list(ray_tasks._results(iter(parcels), Needs(1, 0), said)) == [1, 4, 9]
    assert capsys.readouterr().err == "it is slow\n"


@pytest.mark.parametrize(("gpus", "seen"), [(0, ""), (1, "3")])
def test_a_task_without_a_gpu_sees_none(gpus: int, seen: str, setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    sent(replace(setup, needs=Needs(1, gpus)))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == seen


def test_an_error_after_some_results_is_said(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_worker, "RESULTS_BYTES", 1)
    failing_one = pickle.dumps(partial(failing, InputError("in words")))
    with pytest.raises(InputError, match=f"on node {NODE}: in words"):
        results(sent(replace(setup, function=("e", failing_one))))


@pytest.mark.parametrize(
    ("needs", "text"), [(Needs(2, 0), "no node left with 2 CPUs, which"), (Needs(1, 1), "with 1 CPUs and a GPU, which")]
)
def test_a_task_that_no_node_can_run_any_more_ends_in_words(
    needs: Needs, text: str, package: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Needs] = []
    package.wait = lambda references, timeout: ([], references)
    monkeypatch.setattr(ray_tasks, "ABSENT_S", 0.0)

    def room(own: Needs) -> int:
        looks.append(own)
        return int(len(looks) < 3)

    monkeypatch.setattr(ray_cluster, "room", room)
    with pytest.raises(InputError, match=text):
        list(ray_tasks._results(iter([b""]), needs, set()))
    assert looks == [needs] * 3, "it waits as long as there is one"


def test_a_process_keeps_its_function(setup: Setup) -> None:
    sent(setup)
    assert results(sent(replace(setup, function=("a", b"nothing")))) == [1, 4, 9]


def test_what_ran_as_main_has_its_usual_name_elsewhere(setup: Setup) -> None:
    as_main = pickle.dumps(squares, protocol=0).replace(squares.__module__.encode(), b"__main__")
    assert results(sent(replace(setup, function=("b", as_main), main=squares.__module__))) == [1, 4, 9]


@pytest.mark.parametrize("kind", [InputError, ArtifactError])
def test_what_the_user_can_solve_is_said_with_the_node(kind: type[Exception], setup: Setup) -> None:
    found = error(replace(setup, function=("c", pickle.dumps(partial(failing, kind("in words"))))))
    assert type(found) is kind
    assert str(found) == f"on node {NODE}: in words"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file that is always full")
def test_a_full_disk_names_the_node(setup: Setup) -> None:
    found = error(replace(setup, function=("d", pickle.dumps(partial(writing, "/dev/full")))))
    assert isinstance(found, OSError)
    assert found.errno == errno.ENOSPC
    assert found.filename == f"a file on node {NODE}"


def test_an_error_without_a_number_keeps_its_words(setup: Setup) -> None:
    found = error(replace(setup, function=("f", pickle.dumps(partial(failing, OSError("cannot identify image file"))))))
    assert str(found) == "cannot identify image file"


def test_a_function_for_nodes_is_that_of_this_package() -> None:
    assert ray_cluster.on_node("textwrap", "indent")("text") == f"{NODE}text"


def test_other_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    own = ray_worker.versions()
    monkeypatch.setattr(ray_worker, "versions", lambda: own | {"torch": "1.0", "code of counterpoise": "0123456789ab"})
    function = ray_cluster.on_node("textwrap", "indent")
    monkeypatch.setattr(ray_worker, "versions", lambda: own)
    with pytest.raises(ImportError) as found:
        function("text")
    assert str(ray_cluster.refused(found.value)) == (
        f"node {NODE} has other packages than this machine: code of counterpoise {own['code of counterpoise']} instead "
        f"of 0123456789ab, torch {own['torch']} instead of 1.0; "
        "install the same packages on all nodes, and start Ray there again"
    )


@pytest.mark.parametrize(("module", "name"), [("counterpoise.no_such", "compute"), ("textwrap", "no_such")])
def test_a_node_that_lacks_the_package_or_a_part_of_it_is_named(module: str, name: str) -> None:
    with pytest.raises(ImportError, match=rf"node {NODE} cannot import what this machine can: .*no_such"):
        ray_cluster.on_node(module, name)("text")


def test_what_decides_the_results_of_a_study_is_compared() -> None:
    assert {*cells.PACKAGES} <= {*ray_worker.PACKAGES}


def test_a_node_without_the_shared_folder_is_named(setup: Setup) -> None:
    (Path(setup.root) / "token").unlink()
    assert str(error(setup)).startswith(f"node {NODE} does not see the folder {setup.root} of this machine; ")


@pytest.fixture
def installed() -> Iterator[None]:
    ray_cluster.connect.cache_clear()
    yield
    ray_cluster.connect.cache_clear()


@pytest.mark.parametrize("address", [None, "auto", "local", "ray://10.0.0.1:10001", "10.0.0.1"])
def test_an_address_is_a_host_and_a_port(address: str | None, installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ray_cluster.ADDRESS, raising=False)
    if address is not None:
        monkeypatch.setenv(ray_cluster.ADDRESS, address)
    with pytest.raises(InputError, match=r"RAY_ADDRESS is .*; expected host:port of the head of a cluster"):
        ray_cluster.connect()


def test_without_the_package_it_is_told_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    ray_cluster.connect.cache_clear()
    with pytest.raises(InputError, match=r"pip install 'counterpoise\[ray\]'"):
        ray_cluster.connect()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, r"nobody answers there \(Connection refused\)"),
        (b"", r"nobody answers there \(timed out\)"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "what answers there is not Ray"),
    ],
)
def test_an_address_where_no_cluster_answers_is_refused_soon(
    answer: bytes | None, reason: str, installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "ANSWER_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv(ray_cluster.ADDRESS, address)
        if answer is None:
            server.close()
        other = threading.Thread(target=_answer, args=(server, answer))
        if answer:
            other.start()
        with pytest.raises(InputError, match=f"RAY_ADDRESS is '{address}', but {reason}; start the cluster"):
            ray_cluster.connect()
        if answer:
            other.join()


def _answer(server: socket.socket, answer: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(64)
        connection.sendall(answer)


@pytest.mark.parametrize(
    ("nodes", "on_gpu", "needs", "count"),
    [
        ([(2, 0), (6, 0)], True, Needs(1, 0), 8),
        ([(8, 2), (16, 0)], False, Needs(1, 0), 24),
        ([(8, 2), (16, 0)], True, Needs(4, 1), 2),
        ([(8, 2), (16, 2)], True, Needs(4, 1), 4),
        ([(1, 4), (8, 1)], True, Needs(1, 1), 2),
    ],
)
def test_a_task_takes_what_every_node_with_a_gpu_has_for_it(
    nodes: list[tuple[int, int]], on_gpu: bool, needs: Needs, count: int, package: Any
) -> None:
    listed = [{"Alive": True, "Resources": {"CPU": float(cpus), "GPU": float(gpus)}} for cpus, gpus in nodes]
    listed.append({"Alive": False, "Resources": {"CPU": 64.0}})
    package.nodes = lambda: listed
    assert ray_cluster.shares(on_gpu) == needs
    assert ray_cluster.room(needs) == count
    assert ray_cluster.room(Needs(64, 0)) == 0
    assert ray_cluster.one_gpu_each() == (max(gpus for _, gpus in nodes) < 2)


def test_a_cluster_without_cpus_is_refused(package: Any) -> None:
    package.nodes = lambda: [{"Alive": True, "Resources": {}}]
    with pytest.raises(InputError, match="the cluster of RAY_ADDRESS has no CPUs for tasks"):
        ray_cluster.shares(True)


def test_the_local_engine_does_not_import_ray() -> None:
    code = "import sys; from counterpoise.stages import tile, embed; assert not {'ray', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
