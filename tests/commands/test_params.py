"""`counterpoise params`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from counterpoise import __main__ as cli
from counterpoise import config
from counterpoise.commands import params

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def leaves(content: object, prefix: str = "") -> list[str]:
    if isinstance(content, dict) and content and prefix not in ("ingest.merge", "decide.costs", "model.subclasses"):
        return [leaf for name, value in content.items() for leaf in leaves(value, f"{prefix}.{name}".strip("."))]
    return [prefix]


def test_every_parameter_is_explained() -> None:
    explained = {name: meaning for name, _, meaning in params.explain(config.load(ROOT))}
    without = {"ingest.sources.folder", "losses.balanced_softmax"}
    without |= {f"box_losses.{name}" for name in ("ciou", "diou", "giou", "iou", "kl", "l1", "l2")}
    assert set(explained) == set(leaves(config.load(ROOT))) - without
    assert not [name for name, meaning in explained.items() if len(meaning) < 20]


def test_a_section_alone_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["params", "weighting"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "weighting.scheme = none"
    assert [line.split(" = ")[0] for line in lines if not line.startswith(" ")] == [
        "weighting.scheme",
        "weighting.beta",
        "weighting.defer_frac",
    ]
    assert "one_minus_share" in "".join(lines)


def test_sections_are_separated_and_values_are_those_of_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["params"])
    blocks = [block.splitlines() for block in capsys.readouterr().out.strip().split("\n\n")]
    names = [{line.split(" = ")[0] for line in block if not line.startswith(" ")} for block in blocks]
    assert names[0] == {"task", "loss", "seed"}
    assert all(len({name.split(".")[0] for name in block}) == 1 for block in names[1:])
    text = "\n".join(line for block in blocks for line in block)
    assert "split.balance = false\n" in text
    assert "ingest.exclude = []\n" in text


def test_ranges_and_types_are_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["params"])
    text = " ".join(capsys.readouterr().out.split())
    assert "how much more recall counts than precision, above 0 and at most 10. [number]" in text
    assert "[table, such as {name: value}]" in text
    assert not re.search(r"in [\[(]\d|\| object|\[object", text)


def test_a_reader_that_stops_early_gets_no_traceback() -> None:
    command = [sys.executable, "-c", "from counterpoise.__main__ import main; main(['params'])"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(SystemExit, match=r"has no 'train\.mixup'; .*'train\.solver'.*did you mean 'train\.mix'"):
        cli.main(["params", "train.mixup"])
    with pytest.raises(SystemExit, match=r"has no 'losses\.focl\.gamma'; .*did you mean 'losses\.focal'"):
        cli.main(["params", "losses.focl.gamma"])
    with pytest.raises(SystemExit, match=r"params\.yaml has no 'trian'; .*did you mean 'train'"):
        cli.main(["params", "trian"])
