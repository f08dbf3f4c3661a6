"""A library that answers what a test tells it to."""

from pathlib import Path
from typing import Any

from recue.core import SearchResult, VideoRecord
from recue.search.report import IngestReport
from support.results import make_result


class FakeLibrary:
    """Answers what it was told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.opened: list[Any] = []
        self.result: SearchResult | BaseException = make_result()
        self.report: IngestReport | BaseException = IngestReport()
        self.records: list[VideoRecord] = []
        self.gallery = self
        self.location = Path("/g")

    def open(self, location: Any) -> "FakeLibrary":
        self.opened.append(location)
        return self

    def search(self, *args: Any, **options: Any) -> SearchResult:
        self.asked.append(("search", args, options))
        return _answer(self.result)

    def index(self, *args: Any, **options: Any) -> IngestReport:
        self.asked.append(("index", args, options))
        return _answer(self.report)

    def videos(self, where: Any = ()) -> list[VideoRecord]:
        self.asked.append(("videos", (where,), {}))
        return self.records

    def get(self, video_id: str) -> VideoRecord:
        return next(record for record in self.records if record.id == video_id)

    def remove(self, names: Any) -> list[VideoRecord]:
        self.asked.append(("remove", (names,), {}))
        return self.records


def _answer(value: Any) -> Any:
    if isinstance(value, BaseException):
        raise value
    return value


def make_video(name: str = "a.mp4", video_id: str = "a9", **others: Any) -> VideoRecord:
    values: dict[str, Any] = {
        "path": f"/v/{name}",
        "content_hash": "0" * 64,
        "size_bytes": 5_000_000,
        "mtime_ns": 0,
        "duration_s": 3725.0,
        "start_s": 0.0,
        "width": 1280,
        "height": 720,
        "rate": "25/1",
        "n_steps": 10,
        "added_at": "2026-01-02T03:04:05Z",
    }
    return VideoRecord(id=video_id, name=name, **(values | others))
