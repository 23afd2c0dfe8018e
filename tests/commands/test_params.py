"""`counterpoise params`."""

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


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(SystemExit, match=r"params\.yaml has no 'trian'; .*did you mean 'train'"):
        cli.main(["params", "trian"])
