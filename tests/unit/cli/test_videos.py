import json
from collections.abc import Callable

import pytest

from recue.cli import output
from support.fake_library import FakeLibrary, make_video

Run = Callable[..., tuple[int, str, str]]


def test_list(recue: Run, library: FakeLibrary) -> None:
    library.records = [make_video(metadata={"year": 2020}), make_video("b.npy", "b9", width=0, height=0)]

    code, out, err = recue("list", "--where", "year=2020")

    assert code == 0
    assert library.asked == [("videos", (("year=2020",),), {})]
    head, first, second = out.splitlines()
    assert head.split() == ["id", "name", "length", "picture", "size", "added", "metadata"]
    assert first.split() == ["a9", "a.mp4", "1:02:05", "1280×720", "5.0", "MB", "2026-01-02", "year=2020"]
    assert second.split() == ["b9", "b.npy", "1:02:05", "5.0", "MB", "2026-01-02"]
    assert err == "2 videos, 2:04:10\n"


def test_list_shows_warnings_where_there_are_some(recue: Run, library: FakeLibrary) -> None:
    library.records = [make_video(warnings=("damaged near 3 s", "cut short"))]

    _, out, _ = recue("list")

    assert out.splitlines()[1].endswith("damaged near 3 s; cut short")


def test_list_json(recue: Run, library: FakeLibrary) -> None:
    library.records = [make_video(metadata={"year": 2020})]

    _, out, _ = recue("list", "--json")

    document = json.loads(out)
    assert document["schema"] == 1
    (video,) = document["videos"]
    assert video["id"] == "a9"
    assert video["duration_s"] == 3725.0
    assert video["metadata"] == {"year": 2020}


def test_remove_does_not_ask_in_a_script(recue: Run, library: FakeLibrary) -> None:
    library.records = [make_video()]

    code, out, _ = recue("remove", "a", "b")

    assert code == 0
    assert library.asked == [("remove", (["a", "b"],), {})]
    assert out == "removed a9  /v/a.mp4\n"


@pytest.mark.parametrize(("answer", "status", "n_removed"), [(True, 0, 1), (False, 1, 0)])
def test_remove_asks_a_person(
    recue: Run,
    library: FakeLibrary,
    monkeypatch: pytest.MonkeyPatch,
    answer: bool,
    status: int,
    n_removed: int,
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda *args, **options: answer)
    library.find = lambda name: make_video(name)  # type: ignore[attr-defined]

    code, _, _ = recue("remove", "a.mp4")

    assert code == status
    assert len([asked for asked in library.asked if asked[0] == "remove"]) == n_removed
