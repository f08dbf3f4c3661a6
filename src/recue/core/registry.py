"""Lazy registries: `name -> "module:attribute"`, one line to add an entry.

Listing imports nothing; a missing extra hurts only its own entry. Packages from outside add theirs with an
entry point of the same group name.
"""

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from recue.core.errors import ConfigError, UnknownNameError, suggest


class Registry:
    """Names to objects, imported when asked for.

    >>> registry = Registry("reader", {"json": "json:loads"}, group="recue.readers")
    >>> registry.names()
    ('json',)
    >>> registry.load("json")("[1]")
    [1]
    >>> registry.load("jsn")
    Traceback (most recent call last):
    ...
    recue.core.errors.UnknownNameError: no reader is called 'jsn'; did you mean 'json'?
    """

    def __init__(self, kind: str, entries: dict[str, str], *, group: str) -> None:
        self.kind = kind
        self.group = group
        self._entries = dict(entries)
        self._outside_read = False

    def names(self) -> tuple[str, ...]:
        """Every known name, sorted; imports nothing."""
        self._read_outside()
        return tuple(sorted(self._entries))

    def load(self, name: str) -> Any:
        """The object behind a name.

        Raises:
            UnknownNameError: with the closest known name.
        """
        self._read_outside()
        if name not in self._entries:
            raise UnknownNameError(f"no {self.kind} is called '{name}'; {suggest(name, self._entries)}")
        module, _, attribute = self._entries[name].partition(":")
        return getattr(import_module(module), attribute)

    def _read_outside(self) -> None:
        if self._outside_read:
            return
        self._outside_read = True
        for point in entry_points(group=self.group):
            if self._entries.get(point.name, point.value) != point.value:
                raise ConfigError(
                    f"two packages name a {self.kind} '{point.name}': {self._entries[point.name]} and {point.value}"
                )
            self._entries[point.name] = point.value
