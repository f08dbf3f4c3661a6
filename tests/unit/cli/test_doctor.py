import json
from collections.abc import Callable
from pathlib import Path

import pytest

from recue.cli import doctor

Run = Callable[..., tuple[int, str, str]]


def fails() -> str:
    raise RuntimeError("the disc\nis scratched")


def test_all_is_well(recue: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CHECKS", {"python": lambda: "3.11", "search": lambda: "found"})

    code, out, _ = recue("doctor")

    assert code == 0
    assert out == "ok      python    3.11\nok      search    found\n"


def test_one_that_fails_does_not_stop_the_others(recue: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CHECKS", {"disc": fails, "python": lambda: "3.11"})

    code, out, _ = recue("doctor", "--json")

    assert code == 1
    assert json.loads(out) == {
        "schema": 1,
        "ok": False,
        "findings": [
            {"what": "disc", "ok": False, "detail": "RuntimeError: the disc is scratched"},
            {"what": "python", "ok": True, "detail": "3.11"},
        ],
    }


def test_without_weights_it_says_how_to_get_them(recue: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECUE_CACHE", str(tmp_path))
    checks = {name: doctor.CHECKS[name] for name in ("machine", "codecs", "folders", "weights", "search")}
    monkeypatch.setattr(doctor, "CHECKS", checks)

    code, out, _ = recue("doctor")

    states = {line.split()[1]: line for line in out.splitlines()}
    assert code == 1
    assert states["machine"].startswith("ok")
    assert "h264" in states["codecs"]
    assert str(tmp_path) in states["folders"]
    assert states["weights"] == f"FAILED  weights   none in {tmp_path}; get them: recue prepare"
    assert states["search"].startswith("FAILED")


def test_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)

    finding = doctor._checked("folders", lambda: doctor._room(tmp_path / "new", "RECUE_HOME"))

    assert not finding.ok
    assert finding.detail == f"{tmp_path} cannot be written; give rights to it, or set RECUE_HOME to another folder"


@pytest.mark.slow
@pytest.mark.weights
def test_the_whole_small_search() -> None:
    finding = doctor._checked("search", doctor.CHECKS["search"])

    assert finding.ok, finding.detail
