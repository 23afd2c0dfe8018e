"""The documents name what there is, repeat figures as they were measured, and say it in plain words."""

import csv
import doctest
import io
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import pytest
import yaml
from tests import scripts

from counterpoise import losses
from counterpoise.config import Drawn
from counterpoise.detection import adversaries, box_losses, detectors, necks, prime, proposals, samplers, task_weights
from counterpoise.imbalance import class_weights, resampling
from counterpoise.training import mixup, settings

ROOT = Path(__file__).parents[1]
PLAIN = ("README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))
"""Pages that are held to plain words and short cells."""
OF_MEASUREMENTS = ("docs/losses.md", "docs/remedies.md", "docs/presets.md", "docs/study.md")
LONGEST_CELL = 80
WIDEST_LINE = 120
UNWRAPPED = re.compile(r" {4}|\||\[[^]]+\]: ")
"""What begins a line that cannot be wrapped: an example, a row of a table, the target of a link."""


TABLES = scripts.load(ROOT / "docs" / "tables.py")
OLD_WORDS = scripts.load(ROOT / "tests" / "words.py").OLD_WORDS


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose(page: str) -> str:
    """Read a page without its examples, its names in code and the targets of its links."""
    text = re.sub(r"^```.*?^```$", "", read(page), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^    .*$", "", text, flags=re.MULTILINE)
    return re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`\n]*`", "`", text))


def section(page: str, name: str) -> str:
    """Return what is below the heading of a loss or remedy, up to the next heading."""
    found = re.search(rf"^### `{re.escape(name)}`\n(.*?)(?=^#|\Z)", read(page), re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no section ### `{name}`"
    return found[1]


def parts(text: str) -> dict[str, str]:
    """Split the list of a section: `- **It helps** where ...` gives "It helps" and what it says."""
    items = re.findall(r"^- \*\*([^*]+)\*\*(.*?)(?=^- |^\n|\Z)", text, re.MULTILINE | re.DOTALL)
    return {name.rstrip(".").split(",")[0]: said.strip() for name, said in items}


def choices(name: str) -> list[str]:
    return [str(value) for value in get_args(settings.Train.model_fields[name].annotation)]


REMEDIES = (
    *(f"oversample.strategy: {name}" for name in resampling.STRATEGIES if name != "none"),
    *(
        f"weighting.scheme: {name}"
        for name in {**class_weights.SCHEMES, **class_weights.LABEL_SCHEMES}
        if name != "none"
    ),
    *(f"train.mix: {name}" for name in mixup.NAMES),
    *(f"train.sampler: {name}" for name in choices("sampler") if name != "as_drawn"),
    *(f"train.classifier: {name}" for name in choices("classifier") if name != "as_trained"),
    *(
        f"oversample.synthetic: {name}"
        for name in get_args(Drawn.model_fields["synthetic"].annotation)
        if name != "none"
    ),
    "oversample.defer_frac",
    "oversample.empty_ratio",
    "oversample.majority_only",
    "weighting.defer_frac",
    "split.balance",
)


OF_DETECTORS = (
    *(f"name: {name}" for name in detectors.names()),
    *(f"box_loss: {name}" for name in box_losses.names()),
    *(f"sampler: {name}" for name in samplers.names()),
    *(f"prime: {name}" for name in prime.names() if name != "none"),
    *(f"task_weights: {name}" for name in task_weights.names()),
    *(f"proposals: {name}" for name in proposals.names()),
    "anchors.kind: guided",
    *(f"adversary: {name}" for name in adversaries.names() if name != "none"),
    *(f"neck: {name}" for name in necks.names() if name != "none"),
    "after_regression",
)


@pytest.mark.parametrize("part", OF_DETECTORS)
def test_every_part_of_a_detector_has_a_section_with_all_that_one_must_know(part: str) -> None:
    text = section("docs/detection-remedies.md", part)
    assert not text.strip().startswith("-"), "say first what it does"
    said = parts(text)
    for item in ("Parameters", "Source", "It helps", "It hurts", "Elsewhere"):
        assert said.get(item), f"docs/detection-remedies.md, {part}: no {item!r}"


@pytest.mark.parametrize("remedy", REMEDIES)
def test_every_remedy_has_a_section_with_all_that_one_must_know(remedy: str) -> None:
    text = section("docs/remedies.md", remedy)
    assert not text.strip().startswith(("-", "<!--")), "say first what it does"
    said = parts(text)
    for part in ("Source", "Ledger", "It helps", "It hurts", "Calibration", "Result"):
        assert said.get(part), f"docs/remedies.md, {remedy}: no {part!r}"


@pytest.mark.parametrize("name", losses.names())
def test_every_loss_has_a_section_with_all_that_one_must_know(name: str) -> None:
    text = section("docs/losses.md", name)
    assert re.search(r"^    \S", text, re.MULTILINE), "the formula is missing"
    said = parts(text)
    for part in ("Parameters", "Source", "It helps", "It hurts", "Calibration", "Ledger", "Result"):
        assert said.get(part), f"docs/losses.md, {name}: no {part!r}"


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("docs/losses.md", losses.names()),
        ("docs/remedies.md", REMEDIES),
        ("docs/detection-remedies.md", OF_DETECTORS),
    ],
)
def test_a_table_links_to_every_section(page: str, names: tuple[str, ...]) -> None:
    rows = [line for line in read(page).splitlines() if line.startswith("| [")]
    for name in names:
        assert any(row.startswith(f"| [`{name}`](#{TABLES.slug(name)}) |") for row in rows), f"{page}: no row {name}"


def test_tables_and_results_are_those_that_the_script_writes() -> None:
    for path, text in TABLES.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `python docs/tables.py`"


def test_rows_of_the_study_are_those_of_its_summary() -> None:
    printed = io.StringIO()
    scripts.load(ROOT / "docs" / "study_rows.py").write(printed)
    path = ROOT / "docs" / "measurements" / "study.csv"
    assert path.read_text(encoding="utf-8") == printed.getvalue(), "run `python docs/study_rows.py` into study.csv"


def test_rows_of_a_study_of_detectors_are_its_trained_arms(tmp_path: Path) -> None:
    means = {"raw": {"ap50": 0.53, "ap": 0.2214}}
    other = {"raw": {"ap50": 0.568, "ap": 0.23}}
    judged = {"word": "undecided", "difference": 0.038, "low": -0.0264, "high": 0.1024}
    arms = {
        "plain": {"control": None, "figures": means},
        "cascade": {"control": "plain", "figures": other, **judged},
        "few": {"control": "plain", "figures": other, "word": None, "sentence": "no verdict: too few"},
        "later": {"control": "plain", "figures": {}, "word": None, "sentence": "no verdict: it was not trained yet"},
    }
    path, printed = tmp_path / "summary.json", io.StringIO()
    path.write_text(json.dumps({"figure": "ap50", "comparisons": 3, "folds": 3, "repeats": 4, "arms": arms}))
    scripts.load(ROOT / "docs" / "study_rows.py").write(printed, path)
    assert [line for line in printed.getvalue().splitlines() if not line.startswith("#")] == [
        "arm,control,verdict,difference,difference_low,difference_high,ap50,ap",
        "plain,,,,,,0.530,0.221",
        "cascade,`plain`,undecided,0.038,-0.026,0.102,0.568,0.230",
        "few,`plain`,,,,,0.568,0.230",
    ]
    assert set(TABLES.TABLES["detection_study"][1].values()) <= set(printed.getvalue().splitlines()[3].split(","))


def test_a_marker_of_something_unmeasured_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing was measured of 'focl'"):
        TABLES.filled("<!-- result: focl -->\n<!-- end -->", "losses.md", {})


def test_every_measured_remedy_has_its_section() -> None:
    headings = {*losses.names(), *REMEDIES}
    for file in TABLES.RESULTS:
        measured = {row["remedy"].partition(",")[0] for row in TABLES.rows(file)}
        assert measured - {"none"} <= headings


def test_what_the_benchmark_can_measure_was_measured() -> None:
    measured = {row["remedy"] for row in TABLES.rows("study")}
    assert {name for name in losses.names() if losses.refuses_task(name, "multiclass") is None} <= measured


def figures(page: str) -> Iterator[str]:
    """Find every figure of a page with an error or an interval."""
    for found in re.findall(r"[+-]?\d+\.\d+ (?:± \d\.\d+|\[\d+\.\d+,\s+\d+\.\d+\])", read(page)):
        yield re.sub(r"\s+", " ", found)


def test_figures_that_a_page_repeats_are_those_of_a_measurement() -> None:
    """What commands printed is in `docs/measurements`; sections and sentences repeat it."""
    measured = {
        TABLES.figure(row, column)
        for path in (ROOT / "docs" / "measurements").glob("*.csv")
        for row in TABLES.rows(path.stem)
        for column in row
    }
    repeated = [figure for page in OF_MEASUREMENTS for figure in figures(page)]
    assert len(repeated) > 150
    assert set(repeated) <= measured
    of_sections = [name for name in (*losses.names(), *REMEDIES) if list(TABLES.result(name))]
    assert len(of_sections) > 25


def test_a_table_has_every_row_of_its_file_once() -> None:
    shown: dict[str, int] = {}
    for name, (file, _) in TABLES.TABLES.items():
        rows = list(TABLES.table(name, "remedies.md", {}))[2:]
        assert rows
        if name in TABLES.IN_SHORT:
            assert len(rows) == len(TABLES.IN_SHORT[name])
            continue
        shown[file] = shown.get(file, 0) + len(rows) if "group" in TABLES.rows(file)[0] else len(rows)
    assert shown == {file: len(TABLES.rows(file)) for file in shown}


@pytest.mark.parametrize("name", TABLES.TABLES)
def test_a_page_shows_each_table(name: str) -> None:
    assert any(f"<!-- table: {name} -->" in read(page) for page in PLAIN), f"no page shows {name}"


@pytest.mark.parametrize("page", ["docs/losses.md", "docs/decisions.md"])
def test_the_examples_of_a_page_print_what_they_say(page: str) -> None:
    failed, tried = doctest.testfile(str(ROOT / page), module_relative=False)
    assert tried
    assert not failed


def test_the_examples_of_the_script_print_what_they_say() -> None:
    failed, tried = doctest.testmod(TABLES)
    assert tried
    assert not failed


@pytest.mark.parametrize("page", PLAIN)
def test_a_page_is_in_plain_words(page: str) -> None:
    text = prose(page)
    for words, instead in OLD_WORDS.items():
        found = re.search(rf"\b({words})\b", text, re.IGNORECASE)
        assert not found, (
            f"{page} says {found[0]!r} in '{text[found.start() - 40 : found.end() + 20]}'; write {instead}"
        )


@pytest.mark.parametrize("page", PLAIN)
def test_a_cell_holds_a_figure_or_a_phrase(page: str) -> None:
    text = re.sub(r"^```.*?^```$", "", read(page), flags=re.MULTILINE | re.DOTALL)
    for row in (line for line in text.splitlines() if line.startswith("|")):
        for cell in re.split(r"(?<!\\)\|", row.strip("|")):
            shown = re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", cell).replace("`", "").strip()
            assert len(shown) <= LONGEST_CELL, f"{page}: a cell of {len(shown)} characters: {shown}"


def committed(path: str) -> str:
    """Read a file of the last commit: an experiment may have changed figures in the workspace."""
    done = subprocess.run(["git", "show", f"HEAD:{path}"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"git shows no commit with {path}")
    return done.stdout


def test_readme_and_the_page_on_the_report_repeat_the_figures_of_the_default_problem() -> None:
    params = yaml.safe_load(committed("params.yaml"))
    if (params["demo"]["name"], params["ingest"]["root"], params["loss"]) != ("elpv", "data/demo", "cross_entropy"):
        pytest.skip("the committed parameters are those of another problem")
    readme, page = (" ".join(committed(name).split()) for name in ("README.md", "docs/report.md"))
    scores = {(row["way"], row["figure"]): row for row in rows(committed("reports/plots/scores.csv"))}
    for figure in ("balanced_accuracy", "accuracy", "macro_f1", "average_precision"):
        cells = [spread(scores[way, figure]) for way in ("raw", "calibrated", "decided")]
        assert f"| {' | '.join(cells)} |" in readme, f"{figure}: {cells}"
    change = {(row["figure"], row["after"]): row for row in rows(committed("reports/plots/differences.csv"))}
    rise, fall = change["balanced_accuracy", "decided"], change["accuracy", "decided"]
    fall = {"value": fall["value"].strip("-"), "low": fall["high"].strip("-"), "high": fall["low"].strip("-")}
    assert f"balanced accuracy rises by {spread(rise)}, and accuracy falls by {spread(fall)}" in readme
    rare = [row for row in rows(committed("reports/plots/confusion.csv")) if "probably_defective" in row.values()]
    found = sum(row["actual"] == row["decided"] for row in rare)
    there = sum(row["actual"] == "probably_defective" for row in rare)
    false = len(rare) - there
    low, high = json.loads(committed("reports/metrics.json"))["intervals"]["recall"]
    assert f"finds {found} of {there} such cells in test and raises {false} false alarms" in readme
    assert f"anything from {low:.2f} to {high:.2f}" in readme
    assert f"at the price of {false} false alarms. Only {found / (found + false):.0%}".replace("%", " %") in readme
    assert f"{found} of {there} `probably_defective` cells are found, {there - found} are missed, and {false} o" in page
    assert f"that are right, {found} of {found + false}." in page
    assert f"An average precision of {float(scores['decided', 'average_precision']['value']):.2f} is" in page
    assert f"An interval from {low:.2f} to {high:.2f} means" in page


def test_the_page_on_remedies_names_the_values_of_both_solvers_as_its_table_does() -> None:
    measured = {row["remedy"]: row for row in TABLES.rows("study")}
    default, stochastic = (measured[name]["balanced_accuracy_decided"] for name in ("none", "none, by `adamw`"))
    page = " ".join(read("docs/remedies.md").split())
    assert f"By `adamw`, plain cross-entropy has a balanced accuracy of {stochastic}, and by `lbfgs` {default}." in page


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def spread(row: Mapping[str, str]) -> str:
    return "{:.2f} [{:.2f}, {:.2f}]".format(*(float(row[name]) for name in ("value", "low", "high")))


@pytest.mark.parametrize("page", PLAIN)
def test_lines_of_text_are_wrapped(page: str) -> None:
    text = re.sub(r"^```.*?^```$", "", read(page), flags=re.MULTILINE | re.DOTALL)
    wide = [line for line in text.splitlines() if len(line) > WIDEST_LINE and not UNWRAPPED.match(line)]
    assert not wide, f"{page}: wrap the paragraphs of {wide}"


@pytest.mark.parametrize("page", PLAIN)
def test_every_reference_has_a_target(page: str) -> None:
    text = re.sub(r"^```.*?^```$", "", read(page), flags=re.MULTILINE | re.DOTALL)
    targets = dict(re.findall(r"^\[([^]]+)\]: (.*)$", text, re.MULTILINE))
    assert not [address for address in targets.values() if " " in address], "one address per line"
    assert set(re.findall(r"\]\[([^]]+)\]", prose(page))) <= set(targets), "[text][name] needs a line [name]: address"


def anchors(page: str) -> set[str]:
    """List the anchors of a page, as GitHub makes them: of equal headings the second ends in -1."""
    text = re.sub(r"^```.*?^```$", "", read(page), flags=re.MULTILINE | re.DOTALL)
    counts: dict[str, int] = {}
    found = set()
    for heading in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE):
        name = TABLES.slug(re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", heading))
        found.add(f"{name}-{counts[name]}" if name in counts else name)
        counts[name] = counts.get(name, 0) + 1
    return found


@pytest.mark.parametrize("page", PLAIN)
def test_every_link_between_pages_has_its_target(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        if "://" in target or target.startswith("mailto:"):
            continue
        file, _, anchor = target.partition("#")
        there = (ROOT / page).parent / file if file else ROOT / page
        assert there.exists(), f"{page} links to {target}, which does not exist"
        if anchor and there.suffix == ".md":
            assert anchor in anchors(str(there.resolve().relative_to(ROOT))), (
                f"{page} links to {target}: no such heading"
            )


@pytest.mark.parametrize("page", PLAIN)
def test_files_that_a_page_names_exist(page: str) -> None:
    for name in re.findall(r"`((?:tests|src|docs|benchmarks|presets)/[\w./-]+)`", read(page)):
        assert (ROOT / name).exists(), f"{page} names {name}, which does not exist"
