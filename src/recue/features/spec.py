"""The one-line form of a backbone and its options: `i3d:rate=16,size=160`.

A backbone's options are the fields of its frozen dataclass. What is written on a command line, kept in a gallery
and shown to people is the same string.
"""

from dataclasses import fields
from fractions import Fraction
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from recue.core.errors import ConfigError, suggest

C = TypeVar("C")


def split_spec(spec: str) -> tuple[str, dict[str, str]]:
    """A spec's name and its options, as they were written.

    >>> split_spec("i3d:rate=25/2,size=160")
    ('i3d', {'rate': '25/2', 'size': '160'})

    Raises:
        ConfigError: an option without a value, or given twice.
    """
    name, _, tail = spec.strip().partition(":")
    options: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in tail.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise ConfigError(f"'{part}' in '{spec}' is not an option; write {name}:OPTION=VALUE,OPTION=VALUE")
        if key.strip() in options:
            raise ConfigError(f"'{spec}' gives {key.strip()} twice")
        options[key.strip()] = value.strip()
    return name.strip(), options


def build_config(kind: type[C], name: str, options: dict[str, str]) -> C:
    """A config dataclass from written options.

    Raises:
        ConfigError: an unknown option, with a suggestion, or a value of the wrong kind.
    """
    hints = get_type_hints(kind)
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, text in options.items():
        if key not in known:
            raise ConfigError(f"'{name}' has no option '{key}'; {suggest(key, known)}")
        values[key] = _value(text, hints[key], f"{name}:{key}")
    return kind(**values)


def format_spec(name: str, config: Any) -> str:
    """The shortest spec that gives this config back: options that differ from their defaults, in order."""
    parts = [
        f"{field.name}={_text(getattr(config, field.name))}"
        for field in fields(config)
        if getattr(config, field.name) != field.default
    ]
    return f"{name}:{','.join(parts)}" if parts else name


def _value(text: str, kind: Any, where: str) -> Any:
    if get_origin(kind) is not None and type(None) in get_args(kind):
        kind = next(each for each in get_args(kind) if each is not type(None))
    if kind is bool:
        if text.lower() not in ("yes", "no", "true", "false", "1", "0"):
            raise ConfigError(f"{where} is yes or no, got '{text}'")
        return text.lower() in ("yes", "true", "1")
    choices = get_args(kind)
    if choices:
        for choice in choices:
            if text == str(choice):
                return choice
        raise ConfigError(f"{where} is one of {', '.join(map(str, choices))}, got '{text}'")
    try:
        return Fraction(text) if kind is Fraction else kind(text)
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigError(f"{where} is {_KINDS.get(kind, kind.__name__)}, got '{text}'") from error


_KINDS: dict[Any, str] = {int: "a whole number", float: "a number", Fraction: "a number or a fraction such as 25/2"}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
