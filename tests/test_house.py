"""The laws of the house, read off the tree: names, directions of imports, what `dvc.yaml` declares, the test lock."""

import ast
import graphlib
import importlib
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from counterpoise import config, losses, sources, tasks
from counterpoise.artifacts import code_lists, params_ok
from counterpoise.stages import code

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "counterpoise"
STAGES = sorted(path.stem for path in (PACKAGE / "stages").glob("*.py") if path.stem != "__init__")
WITHOUT_PARAMETERS = {"check", "code"}
"""Stages that read no section: `check` reads the file of parameters, `code` no parameter."""
SHARED = {"task", "loss", "seed", "model", "weighting", "losses", "box_loss", "box_losses", "detector"}
DETECTION = ("detectors", "box_losses", "samplers", "prime", "task_weights", "proposals", "adversaries", "necks")
OPEN_SETS = ("losses", "sources", "demos", "tasks", "links", "calibrators", *DETECTION)
"""Folders in which a name finds a file; where `params.yaml` holds it, `dvc.yaml` may name the file through `${...}`."""
WINGS = [
    *("__main__", "commands", "revisions", "labelling", "study", "planning", "stages", "conflicts", "deployment"),
    *("training", "report", "evaluation", "detection", "dataset", "decision", "networks", "artifacts", "calibration"),
    *("losses", "boxes", "imbalance", "metrics", "tasks", "sources", "demos", "engine"),
]
"""The wings of the package, from the top down: each imports those that come after it, and none that come before."""
AT_THE_TOP = ("config", "seeds", "storage", "images", "labels")
"""The modules beside the wings, which every wing may import; they import no wing."""
MARKS = ("<!-- imports of the wings: written by `python tests/test_house.py` -->", "<!-- end -->")
"""Between them CONTRIBUTING.md holds the picture of the wings."""
COMPARE_THE_TASK = {"src/counterpoise/conflicts/tasks.py", "src/counterpoise/losses/__init__.py"}
"""Files that compare the link of a task with that of another: what suits one task suits all that share its link."""
PIPELINE: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
TEST_PATHS = (
    *("data/tiles/test", "data/features/test"),
    *("results/predictions/test.parquet", "results/predictions/predict.test.sums", "results/detections/test"),
)
Graph = dict[str, set[str]]


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def file_of(dotted: str) -> Path | None:
    """Find the file of a module of this package, `None` if there is none of that name."""
    base = ROOT / "src" / Path(*dotted.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree, functions included, without what is imported for annotations alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            yield from (node for inner in child.orelse for node in (inner, *run_time_nodes(inner)))
            continue
        yield child
        yield from run_time_nodes(child)


def imported_names(path: Path) -> Iterator[str]:
    """Name every module that a file may import, absolute; `from a import b` gives `a` and `a.b`."""
    package = [*path.relative_to(ROOT / "src").parent.parts]
    for node in run_time_nodes(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def holds_only_a_docstring(path: Path) -> bool:
    return all(isinstance(node, ast.Expr) for node in tree(path).body)


@cache
def imports(path: Path) -> frozenset[Path]:
    """Files of this package that one file imports itself."""
    files = {file_of(name) for name in imported_names(path) if name.split(".")[0] == "counterpoise"}
    return frozenset(file for file in files if file and file != path and not holds_only_a_docstring(file))


def members(package: Path) -> list[Path]:
    return [path for path in sorted(package.glob("*.py")) if path.stem != "__init__"]


def reached(stage: str) -> set[Path]:
    """Files that a stage may run: all it imports, and every member of each open set it asks."""
    found: set[Path] = set()
    waiting = [PACKAGE / "stages" / f"{stage}.py"]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        waiting += imports(path)
        if path.name == "__init__.py" and path.parent.name in OPEN_SETS:
            waiting += members(path.parent)
    return found


def entries(stage: str, kind: str) -> list[str]:
    """Paths of `deps`, `outs`, `metrics` or `plots`, without their settings."""
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in PIPELINE[stage].get(kind, [])]


def outs(stage: str) -> list[str]:
    return [path for kind in ("outs", "metrics", "plots") for path in entries(stage, kind)]


def code_deps(stage: str) -> list[str]:
    return [path for path in entries(stage, "deps") if path.startswith("src/")]


def data_deps(stage: str) -> list[str]:
    return [path for path in entries(stage, "deps") if not path.startswith("src/")]


def within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def covers(entry: str, file: str) -> bool:
    """Say whether an entry is a file or a folder above it; `${...}` in it stands for any one name."""
    if "${" in entry:
        pattern = re.sub(r"\\\$\\\{.*?\\\}", "[^/]+", re.escape(entry))
        return re.fullmatch(rf"{pattern}(/.*)?", file) is not None
    return within(file, entry)


def test_every_stage_is_a_file_a_test_and_a_stage_of_the_pipeline() -> None:
    assert sorted(PIPELINE) == STAGES
    missing = [name for name in STAGES if not (ROOT / "tests" / "stages" / f"test_{name}.py").exists()]
    assert not missing, f"stages without tests/stages/test_<name>.py: {missing}"


def test_sections_of_the_parameters_are_stages_or_shared() -> None:
    found = set(config.load(ROOT))
    assert found <= {*STAGES, *SHARED}
    assert found >= SHARED


@pytest.mark.parametrize("stage", sorted(set(STAGES) - WITHOUT_PARAMETERS))
def test_a_stage_reads_a_section_of_its_own_name(stage: str) -> None:
    assert stage in config.load(ROOT)
    assert stage in params_of(stage).model_fields


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_run_as_a_module_without_flags(stage: str) -> None:
    assert PIPELINE[stage]["cmd"] == f"python -m counterpoise.stages.{stage}"


@pytest.mark.parametrize("loss", losses.names())
def test_a_loss_is_a_file_a_function_a_test_and_a_block_of_parameters(loss: str) -> None:
    assert callable(getattr(losses.module(loss), loss))
    assert (ROOT / "tests" / "losses" / f"test_{loss}.py").exists()
    assert loss in config.load(ROOT)["losses"]


@pytest.mark.parametrize("source", sources.names())
def test_a_source_is_a_file_a_test_and_a_block_of_parameters(source: str) -> None:
    assert (ROOT / "tests" / "sources" / f"test_{source}.py").exists()
    assert source in config.load(ROOT)["ingest"]["sources"]


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_imports_another(stage: str) -> None:
    others = {PACKAGE / "stages" / f"{name}.py" for name in STAGES if name != stage}
    assert not reached(stage) & others


def wing_of(path: Path) -> str:
    """Name the folder of the package, or the module at its top, that a file belongs to."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def test_every_module_lies_in_a_wing() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert sorted(folders - set(AT_THE_TOP)) == sorted(set(WINGS) - {"__main__"})
    modules = {path.stem for path in PACKAGE.glob("*.py")} | (folders & set(AT_THE_TOP))
    assert modules == {"__init__", "__main__", *AT_THE_TOP}, "a new module belongs in a wing"
    for wing in folders:
        assert (PACKAGE / wing / "__init__.py").read_text(encoding="utf-8").startswith('"""'), f"{wing}: no docstring"


@pytest.mark.parametrize("wing", [*WINGS, *AT_THE_TOP])
def test_a_wing_imports_nothing_above_it(wing: str) -> None:
    above = WINGS[: WINGS.index(wing)] if wing in WINGS else WINGS
    files = [path for path in sorted(PACKAGE.rglob("*.py")) if wing_of(path) == wing]
    assert files
    upwards = [f"{short(path)} -> {short(file)}" for path in files for file in imports(path) if wing_of(file) in above]
    assert not upwards, f"imports run down the list of WINGS: {upwards}"


def wing_imports() -> Graph:
    """For every wing, the wings that it imports."""
    graph: Graph = {wing: set() for wing in WINGS}
    for path in PACKAGE.rglob("*.py"):
        if (wing := wing_of(path)) in graph:
            graph[wing] |= {wing_of(file) for file in imports(path)} & graph.keys() - {wing}
    return graph


def without_shortcuts(graph: Graph) -> Graph:
    """Leave out an edge where a longer path leads to the same node."""

    def below(node: str) -> set[str]:
        return set().union(*({child} | below(child) for child in graph[node]))

    return {
        node: {child for child in graph[node] if child not in set().union(*map(below, graph[node]))} for node in graph
    }


def picture_of_the_wings() -> str:
    """Draw which wing imports which, in Mermaid's language."""
    graph = without_shortcuts(wing_imports())
    lines = [f"  {wing} --> {' & '.join(sorted(graph[wing], key=WINGS.index))}" for wing in WINGS if graph[wing]]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"])


def with_picture(page: str) -> str:
    """Put the picture between its marks in CONTRIBUTING.md."""
    return re.sub(
        rf"(?<={re.escape(MARKS[0])}\n).*?(?={MARKS[1]})", f"\n{picture_of_the_wings()}\n\n", page, flags=re.DOTALL
    )


def test_the_picture_in_contributing_is_that_of_the_code() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert all(mark in page for mark in MARKS)
    assert page == with_picture(page), "run `python tests/test_house.py`"


def test_a_shortcut_is_left_out_of_the_picture() -> None:
    assert without_shortcuts({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": {"b"}, "b": {"c"}, "c": set()}


def test_contributing_has_a_row_for_every_wing_in_their_order() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = page[page.index("| wing |") : page.index(MARKS[0])]
    listed = [
        name
        for row in table.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`(\w+)/`", row.split("|")[1])
    ]
    assert listed == [wing for wing in WINGS if wing != "__main__"]


def test_no_file_is_longer_than_400_lines_and_no_function_than_80() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, short(path)
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno < 80, f"{short(path)}: {node.name}"


def compares_the_task(tree: ast.AST) -> bool:
    """Say whether a file compares anything with the name of a task or of a link, or asks for the axes of targets."""
    names = {*tasks.names(), *(tasks.find(name).LINK for name in tasks.names())}
    flags = {"ONE_CLASS", "MANY_LABELS", "LINK", "TARGET_NDIM", "target_ndim", "targets.ndim"}
    for node in ast.walk(tree):
        sides: list[ast.AST] = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        sides += [node.pattern] if isinstance(node, ast.match_case) else []
        for part in (inner for side in sides for inner in ast.walk(side)):
            if isinstance(part, ast.Constant) and part.value in names:
                return True
            if isinstance(part, ast.Name | ast.Attribute):
                dotted = ast.unparse(part)
                if flags & {dotted, dotted.split(".")[-1]}:
                    return True
    return False


@pytest.mark.parametrize(
    "line", ["many = d.task != 'multilabel'", "link == 'sigmoid'", "a.LINK == b.LINK", "if targets.ndim == 2: pass"]
)
def test_a_comparison_with_the_task_is_detected(line: str) -> None:
    assert compares_the_task(ast.parse(line))


def test_the_task_is_compared_nowhere_but_where_a_name_picks_a_file() -> None:
    """A loss may look at the shape of its targets, which is its contract; it does not know the task."""
    found = {short(path) for path in sorted(PACKAGE.rglob("*.py")) if compares_the_task(tree(path))}
    found -= {f"src/counterpoise/losses/{name}.py" for name in losses.names()}
    assert found == COMPARE_THE_TASK, f"ask a file of an open set instead: {sorted(found ^ COMPARE_THE_TASK)}"


def test_the_tests_lie_as_the_modules_do() -> None:
    wings = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and any(path.glob("**/test_*.py"))}
    assert wings <= {*WINGS, *AT_THE_TOP}, f"no such wing: {sorted(wings - {*WINGS, *AT_THE_TOP})}"


def test_modules_import_each_other_in_one_direction() -> None:
    graph: Graph = {
        short(path): {short(file) for file in imports(path) if file.parent != path.parent or file.stem != "__init__"}
        for path in sorted(PACKAGE.rglob("*.py"))
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("loss", losses.names())
def test_a_loss_knows_only_torch_and_its_parameters(loss: str) -> None:
    path = PACKAGE / "losses" / f"{loss}.py"
    assert {short(file) for file in imports(path)} <= {
        f"src/counterpoise/config/{name}.py" for name in ("__init__", "faults", "yaml12")
    }
    outside = {name.split(".")[0] for name in imported_names(path)} - {"counterpoise"}
    assert outside <= {"torch", "pydantic", *sys.stdlib_module_names}


@pytest.mark.parametrize("stage", sorted(set(STAGES) - {"code"}))
def test_a_stage_depends_on_the_list_of_its_code(stage: str) -> None:
    assert [path for path in data_deps(stage) if within(path, code_lists.FOLDER)] == [
        f"{code_lists.FOLDER}/{stage}.txt"
    ]


@pytest.mark.parametrize("stage", sorted(set(STAGES) - WITHOUT_PARAMETERS))
def test_the_list_of_a_stage_has_all_that_it_imports(stage: str) -> None:
    listed = {short(path) for path in code.run_by(stage, PACKAGE)}
    named = code_deps(stage)
    assert all("${" in entry for entry in named), f"dvc.yaml, stage {stage}: the list has these already: {named}"
    missing = {short(path) for path in reached(stage)} - listed
    uncovered = sorted(path for path in missing if not any(covers(entry, path) for entry in named))
    assert not uncovered, f"neither dvc.yaml nor the list of stage {stage} has {uncovered}"
    assert not [path for path in listed if any(covers(entry, path) for entry in named) and "__init__" not in path]
    assert {path for path in listed if path.endswith(".py")} <= {short(path) for path in reached(stage)}


def test_modules_are_found_by_name_only_where_the_list_of_code_looks_for_it() -> None:
    """Stage `code` takes all members of a package whose `__init__.py` finds one by its name."""
    for path in PACKAGE.rglob("*.py"):
        calls = {node.attr for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)}
        if "import_module" in calls and path != PACKAGE / "stages" / "check.py":
            assert path.name == "__init__.py", f"{short(path)} imports by name"
        assert "__import__" not in path.read_text(), short(path)


def test_what_is_no_python_lies_beside_the_code_that_reads_it() -> None:
    others = [path for path in PACKAGE.rglob("*.*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    assert {path.suffix for path in others} <= {*code.BESIDE, ".typed"}
    assert all(list(path.parent.glob("[!_]*.py")) for path in others if path.suffix != ".typed")


def test_what_concerns_all_stages_depends_on_the_whole_package() -> None:
    assert code_deps("code") == [short(PACKAGE)]
    assert {PACKAGE.joinpath(path) for path in code.run_by("check", PACKAGE)} >= set(PACKAGE.rglob("*.py"))


def test_every_output_has_one_maker_and_every_dependency_a_maker() -> None:
    made = [path for stage in PIPELINE for path in outs(stage)]
    assert len(set(made)) == len(made)
    for stage in PIPELINE:
        for path in data_deps(stage):
            known = path == config.PATH or "${" in path or any(within(path, folder) for folder in made)
            assert known, f"dvc.yaml, stage {stage}: no stage makes {path}"


def maker(path: str) -> str | None:
    return next((stage for stage in PIPELINE if any(within(path, out) for out in outs(stage))), None)


def is_of_test(path: str) -> bool:
    return any(within(path, test) or within(test, path) for test in TEST_PATHS)


@pytest.mark.parametrize("stage", ["oversample", "train", "decide"])
def test_nothing_that_chooses_depends_on_a_test_file(stage: str) -> None:
    """Walk back from outputs to dependencies.

    `tile`, `embed` and `predict` do the same to each split by itself: they read a file of test only to write one of
    test, so that the walk goes on from them without it (their own tests show that changing it changes nothing else).
    """
    direct = [path for path in data_deps(stage) if is_of_test(path)]
    assert not direct, f"dvc.yaml, stage {stage} depends on {direct}"
    waiting, done = data_deps(stage), set()
    while waiting:
        path = waiting.pop()
        before = maker(path)
        if before is None or before in done:
            continue
        done.add(before)
        of_test = [dep for dep in data_deps(before) if is_of_test(dep)]
        split_by_split = any(is_of_test(out) for out in outs(before))
        assert not of_test or split_by_split, f"dvc.yaml: {stage} depends through {before} on {of_test}"
        waiting += [dep for dep in data_deps(before) if dep not in of_test]
    assert done, "the walk found nothing"


def test_the_test_lock_has_a_key_to_try() -> None:
    assert all(maker(path) for path in TEST_PATHS)
    assert [stage for stage in PIPELINE if "results/predictions/test.parquet" in data_deps(stage)] == [
        "evaluate",
        "report",
    ]


def params_of(stage: str) -> type[config.Section]:
    found: type[config.Section] = importlib.import_module(f"counterpoise.stages.{stage}").Params
    return found


def declared(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """List the dotted keys that a section declares, down to what is no section."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from declared(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name


def leaves(content: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """List the dotted keys of a parameter file, down to what is no mapping or an empty one."""
    for name, value in content.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def below(keys: list[str], leaf: str) -> bool:
    return any(covers(key.replace(".", "/"), leaf.replace(".", "/")) for key in keys)


@pytest.mark.parametrize("stage", sorted(set(STAGES) - WITHOUT_PARAMETERS))
def test_a_stage_declares_exactly_the_parameters_that_it_reads(stage: str) -> None:
    listed, read = PIPELINE[stage]["params"], list(declared(params_of(stage)))
    every = list(leaves(config.load(ROOT)))
    covered, wanted = ({leaf for leaf in every if below(keys, leaf)} for keys in (listed, read))
    assert not wanted - covered, f"dvc.yaml, stage {stage}: add to params {sorted(wanted - covered)}"
    assert not covered - wanted, f"dvc.yaml, stage {stage}: not read, remove from params {sorted(covered - wanted)}"
    idle = [key for key in listed if not any(below([key], leaf) for leaf in every)]
    assert not idle, f"dvc.yaml, stage {stage}: params.yaml has no {idle}"


def test_check_depends_on_the_parameters_as_a_file() -> None:
    assert config.PATH in entries("check", "deps")
    assert "params" not in PIPELINE["check"]
    assert all(config.PATH not in entries(stage, "deps") for stage in PIPELINE if stage != "check")


def expanded(text: str) -> list[str]:
    """List the paths in backticks, `a/{b,c}/` as `a/b` and `a/c`."""
    paths = []
    for quoted in re.findall(r"`((?:data|models|results|reports)/[^`\s]*)`", text):
        braces = re.search(r"\{(.*)\}", quoted)
        options = braces[1].split(",") if braces else [""]
        paths += [(quoted.replace(braces[0], option) if braces else quoted).rstrip("/") for option in options]
    return paths


@pytest.mark.parametrize("stage", STAGES)
def test_the_docstring_says_what_a_stage_reads_and_writes(stage: str) -> None:
    text = ast.get_docstring(ast.parse((PACKAGE / "stages" / f"{stage}.py").read_text(encoding="utf-8"))) or ""
    reads, writes = (re.search(rf"\b{verb}\s.*?\.(?=\s|$)", text, re.DOTALL) for verb in ("Reads", "Writes"))
    assert reads, "the docstring lacks a sentence `Reads ...`"
    assert writes, "the docstring lacks a sentence `Writes ...`"
    assert sorted(expanded(writes[0])) == sorted(outs(stage))
    for path in data_deps(stage):
        if "${" not in path and path != params_ok.PATH and not within(path, code_lists.FOLDER):
            assert Path(path).name in reads[0], f"the docstring does not say that {stage} reads {path}"
    for path in expanded(reads[0]):
        known = any(within(path, dep) or within(dep, path) for dep in data_deps(stage))
        assert known, f"the docstring says that {stage} reads {path}, on which it does not depend"


if __name__ == "__main__":
    page = ROOT / "CONTRIBUTING.md"
    page.write_text(with_picture(page.read_text(encoding="utf-8")), encoding="utf-8")
