from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recue.models import weights

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def got(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[list[str], bool]]:
    """What was asked to be got; nothing is, and the cache is empty."""
    monkeypatch.setenv("RECUE_CACHE", str(tmp_path))
    asked: list[tuple[list[str], bool]] = []

    def prepare(names: Any, *, progress: Callable[[str, int, int | None], None], force: bool) -> dict[str, Path]:
        asked.append((list(names), force))
        for name in names:
            progress(name, 500_000, 1_000_000)
            progress(name, 1_000_000, 1_000_000)
        return {}

    monkeypatch.setattr(weights, "prepare", prepare)
    return asked


def test_what_is_needed_is_listed_before_it_is_got(recue: Run, got: list[Any], tmp_path: Path) -> None:
    code, out, err = recue("prepare", "--backbone", "i3d")

    assert code == 0
    head, row = out.splitlines()
    assert head.split() == ["weights", "size", "state", "licence", "what", "source"]
    assert row.startswith("i3d-kinetics400  50.8 MB  absent  MIT  ")
    assert got == [(["i3d-kinetics400"], False)]
    assert err == f"getting i3d-kinetics400, 1.0 MB\nReady, in {tmp_path}.\n"


def test_list_gets_nothing(recue: Run, got: list[Any]) -> None:
    code, out, _ = recue("prepare", "--list", "--all")

    assert code == 0
    assert "i3d-kinetics400" in out
    assert got == []


def test_what_is_there_is_not_got_again(recue: Run, got: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "is_ready", lambda name: True)

    _, out, err = recue("prepare", "--backbone", "i3d")
    assert "  ready  " in out
    assert err.startswith("Everything is there")
    assert got == []

    recue("prepare", "--backbone", "i3d", "--force")
    assert got == [(["i3d-kinetics400"], True)]


@pytest.mark.parametrize(
    "arguments",
    [["--profile", "fast", "--all"], ["--profile", "quick"], ["--profile", "i3d"], ["--backbone", "i3d:colour=red"]],
)
def test_wrong_usage(recue: Run, got: list[Any], arguments: list[str]) -> None:
    code, _, err = recue("prepare", *arguments)

    assert code == 2
    assert err.startswith("recue: error: ")
    assert "no backbone" not in err
    assert got == []
