"""The documents point at files that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def test_there_are_documents() -> None:
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "cli.md", "json.md"} <= {path.name for path in DOCUMENTS}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))

    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_readme_names_every_command_and_exit_status() -> None:
    from recue.cli.app import app
    from recue.core.errors import EXIT_CODES

    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    commands = {command.name for command in app.registered_commands}
    assert len(commands) >= 11
    missing = {name for name in commands if not re.search(rf"\b(recue|make) {name}\b", readme)}
    assert missing <= {"remove"}  # it is found beside `list`, in docs/cli.md
    assert {status for _, status in EXIT_CODES} <= {int(status) for status in re.findall(r"\*\*(\d+)\*\*", readme)}
