"""Which video people mean by a few letters."""

from collections.abc import Sequence
from pathlib import Path, PurePath

from recue.core import VideoRecord
from recue.core.errors import VideoNotFoundError, suggest

#: A beginning of an id is at least this long, so that short names are not taken for one.
MIN_ID_LETTERS = 4
_N_NAMED = 8


def find_video(text: str, records: Sequence[VideoRecord]) -> VideoRecord:
    """The one video that a text names.

    Tried in turn, the first that fits decides: the whole id; the path; the exact name; the name without its suffix;
    the beginning of an id.

    Raises:
        VideoNotFoundError: none fits, with the closest name; or several do, with all of them.
    """
    given = Path(text).expanduser()
    paths = {str(given.absolute()), str(given.resolve())} if text else set()
    ways = (
        [record for record in records if record.id == text],
        [record for record in records if record.path in paths],
        [record for record in records if record.name == text],
        [record for record in records if PurePath(record.name).stem == text],
        [record for record in records if len(text) >= MIN_ID_LETTERS and record.id.startswith(text.lower())],
    )
    fitting = next((way for way in ways if way), [])
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        shown = ", ".join(f"{record.id} ({record.path})" for record in fitting[:_N_NAMED])
        more = f" and {len(fitting) - _N_NAMED} more" if len(fitting) > _N_NAMED else ""
        raise VideoNotFoundError(f"'{text}' names {len(fitting)} videos: {shown}{more}; give the id or the path")
    if not records:
        raise VideoNotFoundError(f"no video is called '{text}': the gallery is empty; `recue index VIDEOS` fills it")
    names = {record.name for record in records}
    hint = suggest(text, names)
    if hint.startswith("known:") and len(names) > _N_NAMED:
        hint = "`recue list` shows all"
    raise VideoNotFoundError(f"no video of the gallery is called '{text}'; {hint}")
