"""What every command promises, and what the console script does with it."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from counterpoise import __main__ as cli
from counterpoise import commands

TESTS = Path(__file__).parent


def test_commands_are_found_by_their_files() -> None:
    assert commands.names() == ["export-boxes", "learning-curve", "params", "predict", "study"]


@pytest.mark.parametrize("name", commands.names())
def test_a_command_is_a_file_with_a_test_and_a_line_of_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (TESTS / f"test_{name.replace('-', '_')}.py").exists()
    commands.find(name).add_arguments(argparse.ArgumentParser())
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    assert commands.find(name).HELP in " ".join(capsys.readouterr().out.split())


def test_no_command_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([])
    assert "params" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["params"], ["predict", "a.png"], ["learning-curve"], ["study"], ["export-boxes", "there"]]
)
def test_without_parameters_a_command_ends_in_words(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"params\.yaml: not found in .*; run from the top of the repository"):
        cli.main(arguments)


def test_help_does_not_wait_for_torch() -> None:
    code = "try: main(['--help'])\nfinally: print('torch' in sys.modules)"
    code = f"import sys\nfrom counterpoise.__main__ import main\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
