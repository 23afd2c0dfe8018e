"""What `benchmarks/scaling.py` computes from measurements, compared with times that follow a known law."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
from tests import scripts

ROOT = Path(__file__).parents[1]
COUNTS = [1000, 2000, 4000]


@pytest.fixture(scope="module")
def scaling() -> ModuleType:
    return scripts.load(ROOT / "benchmarks/scaling.py")


def test_the_exponent_is_that_of_the_law(scaling: ModuleType) -> None:
    for power in (0.0, 0.5, 1.0, 2.0):
        assert scaling.exponent(COUNTS, [3 * count**power for count in COUNTS]) == pytest.approx(power)


def test_what_grows_in_a_straight_line_is_continued_in_it(scaling: ModuleType) -> None:
    assert scaling.expected(COUNTS, [5 + 0.01 * count for count in COUNTS], 1e7) == pytest.approx(5 + 1e5)
    assert scaling.expected(COUNTS, [7.0, 6.0, 5.0], 1e7) == 5.0, "nothing takes less time for more images"


def test_what_grows_faster_is_bent_upwards(scaling: ModuleType) -> None:
    values = [1e-6 * count**2 for count in COUNTS]
    slope = 36 / 7 / 1000  # of the line of least squares through 1, 4 and 16 at 1000, 2000 and 4000
    assert scaling.expected(COUNTS, values, 8000, 2.0) == pytest.approx(16 + slope * 4000 * 2)


def test_the_estimate_names_hours_machines_and_what_breaks_first(
    scaling: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    per_image = {"tile": 0.036, "embed": 0.324, "split": 0.0036, "train": 0.0036}
    gib = {"tile": 0.0, "embed": 0.0, "split": 1 / 102_400, "train": 2 / 102_400}
    rows = [
        scaling.Measured(count, stage, own * count, own * count, 1024 * gib[stage] * count, 0.1 * count, "a machine")
        for stage, own in per_image.items()
        for count in COUNTS
    ]
    scaling.write(tmp_path / "scaling.csv", rows)
    monkeypatch.setattr(sys, "argv", ["scaling.py", "--csv", str(tmp_path / "scaling.csv"), "--price", "0.5"])
    scaling.main()
    table, estimate = capsys.readouterr().out.split("\nFor 10,000,000 images")
    assert (
        "| embed | 324.0 (324.0) s, 0, 100.0 | 648.0 (648.0) s, 0, 200.0 | 1296.0 (1296.0) s, 0, 400.0 | 1.00 |"
        in table
    )
    assert "| embed | 900.0 | 0.0 |" in estimate
    assert "tile and embed take 1,000.0 hours of one machine, or 23.8 hours of 42, the fewest" in estimate
    assert "the other stages take 20.0 hours of one. All take 43.8 hours with 42 machines, and" in estimate
    assert "1,020.0 machine hours, which cost 510 at 0.5 an hour" in estimate
    assert "Artifacts take 3.81 TiB" in estimate
    assert "takes 2.8 hours of a CPU for the results of tile and embed" in estimate, "at 1 ms for each"
    assert estimate.index("train passes 64 GiB of memory at about 3,276,800") < estimate.index(
        "split passes 64 GiB of memory at about 6,553,600"
    )


def test_the_page_shows_what_was_measured(
    scaling: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = str(ROOT / "benchmarks/scaling.csv")
    monkeypatch.setattr(sys, "argv", ["scaling.py", "--csv", measured, "--driver-ms", "1.4"])
    scaling.main()
    printed, page = capsys.readouterr().out, (ROOT / "docs/scaling.md").read_text(encoding="utf-8")
    tables = [line for line in printed.splitlines() if line.startswith("|")]
    assert len(tables) == 2 * 2 + 13 + 12
    assert [line for line in page.partition("## What many images need")[2].splitlines() if line[:1] == "|"] == tables
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--hours", "5"])
    scaling.main()
    prose, printed = " ".join(page.split()), printed + capsys.readouterr().out
    for sentence, of_page in {
        "tile and embed take 17.7 hours of one machine": "17.7 for `tile` and `embed`",
        "the other stages take 3.0 hours of one.": "and 3.0 for the other stages",
        "All take 20.6 hours with 1 machine, and 20.6 machine hours": "That is 20.6 hours of one such machine",
        "All take 7.4 hours with 4 machines": "Four machines would take 7.4 hours (`--hours 5`)",
        "cost 2 at 0.1 an hour. Artifacts take 0.13 TiB": "Artifacts take 0.13 TiB",
        "takes 3.9 hours of a CPU": "3.9 hours of a CPU",
        "train passes 64 GiB of memory at about 7,7": "passes 64 GiB first, at about 7.7 million images",
    }.items():
        assert sentence in printed
        assert of_page in prose
    assert {line.split(" ", 1)[0] for line in printed.splitlines() if "GiB of memory at about" in line} == {"train"}
    stages = scaling.by_stage(scaling.read(Path(measured))).values()
    last = [scaling.exponent([row.images for row in own[-2:]], [row.seconds for row in own[-2:]]) for own in stages]
    assert f"and between the last two none is above {max(last):.2f}." in prose
