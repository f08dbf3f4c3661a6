from collections.abc import Callable

import pytest

from recue.cli.app import app
from support.fake_library import FakeLibrary


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeLibrary:
    fake = FakeLibrary()
    monkeypatch.setattr("recue.open", fake.open)
    return fake


@pytest.fixture
def recue(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process: its exit status, stdout and stderr."""

    def run(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            app([*args], prog_name="recue")
        out, err = capsys.readouterr()
        code = end.value.code
        assert isinstance(code, int) or code is None
        return code or 0, out, err

    return run
