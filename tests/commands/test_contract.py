"""What every command promises, and what the console script does with it."""

import argparse
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from counterpoise import __main__ as cli
from counterpoise import commands

TESTS = Path(__file__).parent


def test_commands_are_found_by_their_files() -> None:
    files = Path(commands.__file__).parent.glob("*.py")
    assert commands.names() == sorted(path.stem.replace("_", "-") for path in files if path.stem[0] != "_")
    assert {"learning-curve", "params", "study"} <= set(commands.names())


@pytest.mark.parametrize("name", commands.names())
def test_a_command_is_a_file_with_a_test_and_a_line_of_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (TESTS / f"test_{name.replace('-', '_')}.py").exists()
    commands.find(name).add_arguments(argparse.ArgumentParser())
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    assert commands.find(name).HELP in " ".join(capsys.readouterr().out.split())
    assert commands.find(name).GROUP in commands.GROUPS


@pytest.mark.parametrize("name", commands.names())
def test_the_examples_of_a_command_parse_and_stand_in_its_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    examples = commands.find(name).EXAMPLES
    assert examples
    with pytest.raises(SystemExit, match="0"):
        cli.main([name, "--help"])
    text = capsys.readouterr().out
    for line, purpose in examples:
        assert line in text
        assert purpose in text
        words = shlex.split(re.sub(r'^eval "\$\((.*)\)"$', r"\1", line).split(" > ")[0])
        assert words[:2] == ["counterpoise", name]
        assert commands.parser().parse_args(words[1:]).command == name
    for code, meaning in commands.EXIT_CODES.items():
        assert f"  {code:<5}{meaning}" in text


@pytest.mark.parametrize("arguments", [[], ["nothing-of-that-name"]])
def test_without_a_known_command_the_exit_code_is_2_and_all_are_listed(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    error = capsys.readouterr().err
    assert all(f"  {name} " in error for name in commands.names())
    assert "COMMAND" in error.splitlines()[-1]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_headings_are_bold_on_a_terminal_alone_and_never_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert commands.bold("Start", Terminal()) == "\033[1mStart\033[0m"
    assert commands.bold("Start", io.StringIO()) == "Start"
    monkeypatch.setenv("NO_COLOR", "1")
    assert commands.bold("Start", Terminal()) == "Start"


@pytest.mark.parametrize(
    "arguments",
    [
        *(["params"], ["predict", "a.png"], ["learning-curve"], ["study"], ["export-boxes", "there"]),
        *(["pr-comment", "main"], ["suggest-labels", "."], ["suspects"]),
    ],
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
