"""Conditions on videos as people type them: `camera=2`, `year>=2020`, `place!=Rome`, `tags~beach`."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recue.core import VideoRecord
from recue.core.errors import ConfigError, suggest

#: Fields of the record that a condition may name; any other key is looked up in the metadata.
FIELDS = ("id", "name", "path", "duration_s", "start_s", "width", "height", "size_bytes", "n_steps", "added_at")

SYNTAX = (
    "write KEY=VALUE, KEY!=VALUE, KEY<VALUE, KEY<=VALUE, KEY>VALUE, KEY>=VALUE or KEY~PART, "
    "where KEY is a metadata key (place.city for nested ones) or one of: " + ", ".join(FIELDS)
)

_CONDITION = re.compile(
    r"\s*(?P<key>[^\s=!<>~][^=!<>~]*?)\s*(?P<operator>!=|<=|>=|=|<|>|~)\s*(?P<value>.*?)\s*", re.DOTALL
)
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition.

    Attributes:
        key: A field of the record, or a metadata key with dots for nesting.
        operator: `=`, `!=`, `<`, `<=`, `>`, `>=` or `~`.
        value: As typed.
    """

    key: str
    operator: str
    value: str

    def holds(self, record: VideoRecord) -> bool:
        """Whether a video meets it.

        A key the video lacks meets `!=` alone. A list meets a condition when one of its items does, and `!=` when
        none is equal. Numbers compare as numbers where both sides are, otherwise as text; `~` is "contains",
        whatever the case.
        """
        found = _look_up(record, self.key)
        if self.operator == "!=":
            return not Condition(self.key, "=", self.value).holds(record)
        if found is _ABSENT:
            return False
        items = found if isinstance(found, list | tuple) else [found]
        return any(_compare(item, self.operator, self.value) for item in items)


def parse_condition(text: str) -> Condition:
    """Read one condition.

    >>> parse_condition("year>=2020")
    Condition(key='year', operator='>=', value='2020')

    Raises:
        ConfigError: it is none; the message teaches the syntax.
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise ConfigError(f"'{text}' is no condition; {SYNTAX}")
    key, operator, value = match["key"], match["operator"], match["value"]
    if value.startswith("="):
        raise ConfigError(f"'{text}' is no condition: one = is enough; {SYNTAX}")
    if not value and operator not in ("=", "!="):
        raise ConfigError(f"'{text}' compares with nothing; {SYNTAX}")
    return Condition(key, operator, value)


def matching(records: Sequence[VideoRecord], where: Sequence[str]) -> list[VideoRecord]:
    """The records that meet every condition, in their order.

    Raises:
        ConfigError: a condition cannot be read, or names a key that none of the records has.
    """
    conditions = [parse_condition(text) for text in where]
    for condition in conditions:
        _require_known(condition.key, records)
    return [record for record in records if all(condition.holds(record) for condition in conditions)]


def _require_known(key: str, records: Sequence[VideoRecord]) -> None:
    if not records or any(_look_up(record, key) is not _ABSENT for record in records):
        return
    known = {name for record in records for name in _keys(record.metadata)}
    raise ConfigError(f"no video has '{key}'; {suggest(key, known | set(FIELDS))}")


def _keys(metadata: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in metadata.items():
        yield prefix + key
        if isinstance(value, Mapping):
            yield from _keys(value, f"{prefix}{key}.")


def _look_up(record: VideoRecord, key: str) -> Any:
    if key in record.metadata:
        return record.metadata[key]
    if key in FIELDS:
        return getattr(record, key)
    value: Any = record.metadata
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _ABSENT
        value = value[part]
    return value


def _compare(found: Any, operator: str, typed: str) -> bool:
    if operator == "~":
        return typed.casefold() in _text(found).casefold()
    left: Any = _number(found)
    right: Any = _number(typed)
    if left is None or right is None:
        left, right = _text(found), typed
    if operator == "=":
        return bool(left == right)
    if operator == "<":
        return bool(left < right)
    if operator == "<=":
        return bool(left <= right)
    if operator == ">":
        return bool(left > right)
    return bool(left >= right)


def _number(value: Any) -> float | int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if not isinstance(value, str):
        return None
    try:
        return int(value)
    except ValueError:
        pass
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping | list) else str(value)
