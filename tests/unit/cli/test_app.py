import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recue import __version__

Run = Callable[..., tuple[int, str, str]]

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = ["prepare", "index", "search", "list", "remove", "info", "doctor", "compose", "train", "evaluate", "demo"]


def test_help_lists_every_command(recue: Run) -> None:
    code, out, _ = recue("--help")

    assert code == 0
    listed = out.partition("Commands:")[2].splitlines()
    assert [line.split()[0] for line in listed if line.startswith("  ") and line[2] != " "][: len(COMMANDS)] == COMMANDS


def test_version(recue: Run) -> None:
    assert recue("--version") == (0, f"recue {__version__}\n", "")


def test_help_imports_nothing_heavy() -> None:
    """The budget is 0.3 s; what would break it is an import, which a busy machine cannot blur."""
    probe = (
        "import sys\n"
        "from recue.cli.app import app\n"
        "try:\n    app(['--help'], prog_name='recue')\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'numpy', 'av', 'lancedb', 'pyarrow', 'rich', 'jinja2', 'openvino'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "recue"],
        env=os.environ | {"_RECUE_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "_RECUE_COMPLETE" in done.stdout


def test_completion_knows_galleries_profiles_and_localizers(recue_home: Path) -> None:
    from recue.cli import options

    for name in ("films", "family", "work"):
        (recue_home / "galleries" / name).mkdir(parents=True)

    assert options.complete_gallery("f") == ["family", "films"]
    assert options.complete_profile("b") == ["balanced"]
    assert "align" in options.complete_localizer("")


def test_the_documented_help_is_what_the_commands_print() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "cli_docs.py"), "--check"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    documented = (ROOT / "docs" / "cli.md").read_text()
    assert [name for name in COMMANDS if f"<!-- help: {name} -->" not in documented] == []


def test_every_exit_status_of_an_error_is_documented() -> None:
    from recue.cli.exits import MEANINGS
    from recue.core.errors import EXIT_CODES

    assert {status for _, status in EXIT_CODES} <= {*MEANINGS}
