"""What the program says to its users is in plain words: parameters, help, errors, warnings and console output."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import scripts

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "counterpoise"
FILES = sorted(PACKAGE.rglob("*.py"))
CODE_TERMS = {r"draws(?! (it|the|a) )"}
"""Old words that docstrings for developers may use: the code and its files call a sample a draw."""
DATA = {
    "as it is": ("evaluation/prevalence_table.py", "report/sections/prevalence.py"),
    "draws": ("training/decoupling.py",),
}
"""Text that is an entry of a file or names a random stream, not a sentence -> the modules that have it."""


OLD_WORDS: dict[str, str] = scripts.load(ROOT / "tests" / "words.py").OLD_WORDS


def is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def is_section(node: ast.AST) -> bool:
    """Say whether a class declares parameters, whose docstrings `counterpoise params` shows."""
    return isinstance(node, ast.ClassDef) and any(
        isinstance(part, ast.AnnAssign) and part.value is not None and "Field(" in ast.unparse(part.value)
        for part in node.body
    )


def texts(node: ast.AST, shown: bool = False) -> Iterator[tuple[int, str, bool]]:
    """List line, text, and whether users see it; in place of values in braces, `{}`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and is_docstring(child):
            assert isinstance(child.value, ast.Constant)
            yield child.lineno, str(child.value.value), shown
        elif isinstance(child, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "{}" for part in child.values]
            yield child.lineno, "".join(parts), True
        elif isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.lineno, child.value, True
        else:
            yield from texts(child, is_section(child))


def prose(text: str) -> str:
    """Leave out code in backticks, examples, and names of files."""
    text = re.sub(r"^\s*>>> .*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`]*`|\S*\w\.\w\S*", " ", text)


def found_in(tree: ast.AST) -> Iterator[str]:
    for line, text, shown in texts(tree):
        if " " not in text.strip():
            continue
        for words, instead in OLD_WORDS.items():
            if shown or words not in CODE_TERMS:
                for match in re.finditer(rf"\b({words})\b", prose(text), re.IGNORECASE):
                    yield f"line {line} says {match[0]!r}; write {instead}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_texts_are_in_plain_words(path: Path) -> None:
    name = path.relative_to(PACKAGE).as_posix()
    faults = [
        fault
        for fault in found_in(ast.parse(path.read_text(encoding="utf-8")))
        if not any(repr(text) in fault and name in files for text, files in DATA.items())
    ]
    assert not faults, f"{name}: {faults}"


def test_an_old_word_is_found_wherever_users_read_it() -> None:
    code = """
class Params(Section):
    views: int = Field(ge=0)
    \'\'\'How many draws of a label that is borne.\'\'\'

def f(x: int) -> str:
    \'\'\'Count draws of `borne`.\'\'\'
    raise ValueError(f"mend {x} in borne.py")
"""
    assert [fault.split("; ")[0] for fault in found_in(ast.parse(code))] == [
        "line 4 says 'borne'",
        "line 4 says 'draws'",
        "line 8 says 'mend'",
    ]
