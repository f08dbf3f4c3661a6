"""Names of the classes that pretrained networks speak of.

Each list is a text file beside this one: one name a line, in the order of the network's outputs, after a header
that says where the names come from.
"""

from functools import cache
from importlib.resources import files


@cache
def read_classes(name: str) -> tuple[str, ...]:
    """A list of class names, in the order of the outputs.

    >>> read_classes("kinetics400")[:2]
    ('abseiling', 'air drumming')
    """
    text = files("recue.features").joinpath(f"{name}.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))
