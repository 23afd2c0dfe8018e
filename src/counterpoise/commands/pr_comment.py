"""`counterpoise pr-comment`: what a change does to the figures on test, as the comment of a pull request."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from counterpoise import config
from counterpoise.commands import _outputs
from counterpoise.config import InputError

HELP = "write what a change does to the figures on test, as Markdown for a pull request"
GROUP = "Compare"
EXAMPLES = (
    ("counterpoise pr-comment main", "what differs between the branch main and the working tree"),
    ("counterpoise pr-comment HEAD~1 --out comment.md", "write it to a file, for a workflow that posts it"),
    (
        "counterpoise pr-comment main --page https://example.org/index.html",
        "link the page of the report, where you have put it",
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is compared, and where the comment goes."""
    parser.add_argument("base", metavar="BASE", help="commit to compare with, such as main or HEAD~1")
    parser.add_argument("--page", default="", metavar="URL", help="address of reports/index.html, for a link")
    parser.add_argument("--out", metavar="FILE", help="file for the comment (default: print it)")


def run(arguments: argparse.Namespace) -> str:
    """Compare the working tree of the current folder with a commit.

    Raises:
        InputError: There is no such commit, it has no figures, or a file cannot be written.
    """
    root = Path.cwd()
    content = config.load(root)
    if arguments.page and not re.fullmatch(r"https?://[^\s()<>]+", arguments.page):
        raise InputError(
            f"--page: found {arguments.page!r}; expected an address such as https://example.org/index.html"
        )
    if arguments.out is not None:
        _outputs.check_file("--out", Path(arguments.out), new=False)
    from counterpoise import storage
    from counterpoise.revisions import checkout, comment, comparable, run, study_says

    commit = checkout.resolve(root, arguments.base)
    uncommitted = checkout.uncommitted(root)
    head = "not committed" if uncommitted else checkout.short(root, "HEAD")
    before = run.read(root, commit, f"{arguments.base} ({checkout.short(root, commit)})")
    now = run.read(root, None, f"this change ({head})")
    old = config.parse(checkout.text(root, commit, config.PATH) or "{}")
    text = comment.write(
        comment.Change(
            before,
            now,
            comparable.obstacles(before, now),
            checkout.in_use(checkout.changed_parameters(root, commit), old, content),
            checkout.outdated_stages(root, now.hashes),
            uncommitted,
            study_says.sentence(root, now.hashes, old, content),
            arguments.page,
        )
    )
    if arguments.out is None:
        return text
    storage.write_text(Path(arguments.out), text)
    return f"wrote {arguments.out}"
