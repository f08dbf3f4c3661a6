"""Metadata per video: one object for all, a function of the path, or a file that names them."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recue.core.errors import ConfigError

Metadata = Mapping[str, Any] | Callable[[Path], Mapping[str, Any]]


def metadata_for(metadata: Metadata | None, path: Path) -> dict[str, Any]:
    """The object for one video, checked to be JSON.

    >>> metadata_for({"camera": "north"}, Path("a.mp4"))
    {'camera': 'north'}
    >>> metadata_for(lambda path: {"day": path.parent.name}, Path("monday/a.mp4"))
    {'day': 'monday'}

    Raises:
        ConfigError: it is no mapping from strings to what JSON can hold.
    """
    if metadata is None:
        return {}
    given = metadata(path) if callable(metadata) else metadata
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise ConfigError(f"metadata of {path.name} is a mapping from strings, got {type(given).__name__}")
    try:
        return dict(json.loads(json.dumps(dict(given), allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"metadata of {path.name} is what JSON can hold; {error}") from error


def read_metadata_file(file: Path) -> Callable[[Path], Mapping[str, Any]]:
    """Metadata by file name from one JSON or CSV file.

    JSON: `{"clip.mp4": {"camera": "north"}, ...}`. CSV: a header whose first column is the video, the others its
    fields; every value is text. A video is named by its path as given, by its file name, or by its name without
    suffix, tried in that order; one that is not named gets no metadata.

    Raises:
        ConfigError: the file is absent, or is not of one of these forms.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
        table = _from_csv(text) if file.suffix.lower() == ".csv" else json.loads(text)
    except OSError as error:
        raise ConfigError(f"the metadata file '{file}' cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigError(f"'{file}' is no metadata file: {error}; write JSON, or CSV in a file named .csv") from error
    if not isinstance(table, dict) or not all(isinstance(entry, dict) for entry in table.values()):
        raise ConfigError(f'{file} should hold {{"clip.mp4": {{"key": value}}, ...}}, one object a video')

    def look_up(path: Path) -> Mapping[str, Any]:
        for key in (str(path), path.name, path.stem):
            if key in table:
                return dict(table[key])
        return {}

    return look_up


def _from_csv(text: str) -> dict[str, dict[str, str]]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    if not rows.fieldnames:
        raise ValueError("it is empty; the first line names the columns")
    video = rows.fieldnames[0]
    table: dict[str, dict[str, str]] = {}
    for row in rows:
        if None in row or None in row.values():
            raise ValueError(f"line {rows.line_num} does not have {len(rows.fieldnames)} columns")
        table[row[video]] = {key: value for key, value in row.items() if key != video and value != ""}
    return table
