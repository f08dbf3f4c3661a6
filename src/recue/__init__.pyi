import os

from recue.core.errors import RecueError as RecueError
from recue.core.moment import Moment as Moment
from recue.core.moment import SearchResult as SearchResult
from recue.core.record import VideoRecord as VideoRecord
from recue.core.segment import Segment as Segment
from recue.search.library import Library as Library
from recue.search.library import LibraryInfo as LibraryInfo
from recue.search.report import IngestEvent as IngestEvent
from recue.search.report import IngestInterrupted as IngestInterrupted
from recue.search.report import IngestPlan as IngestPlan
from recue.search.report import IngestReport as IngestReport

__version__: str
__all__: list[str]

def open(location: str | os.PathLike[str] | None = None) -> Library: ...
