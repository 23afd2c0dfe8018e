"""`counterpoise completion`: what the shells are given."""

import subprocess

import pytest

from counterpoise import __main__ as cli
from counterpoise import commands
from counterpoise.commands import completion


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_each_shell_gets_a_script_that_knows_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["completion", shell])
    script = capsys.readouterr().out
    assert all(name in script for name in commands.names())
    assert "split" in script


def test_bash_completes_commands_choices_and_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("images")
    (folder / "roof.png").touch()

    def completed(*words: str) -> list[str]:
        line = " ".join(f"'{word}'" for word in words)
        asked = (
            f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
            "$(complete -p counterpoise | sed 's/.*-F \\([^ ]*\\).*/\\1/'); printf '%s\\n' \"${COMPREPLY[@]}\""
        )
        done = subprocess.run(
            ["bash", "-c", f"source /dev/stdin; {asked}"],
            input=_script(),
            capture_output=True,
            text=True,
            check=True,
            cwd=folder,
        )
        return done.stdout.split()

    assert completed("counterpoise", "par") == ["params"]
    assert completed("counterpoise", "export-boxes", "--split", "t") == ["test"]
    assert completed("counterpoise", "predict", "ro") == ["roof.png"]


def _script() -> str:
    arguments = commands.parser().parse_args(["completion", "bash"])
    return commands.find("completion").run(arguments)
