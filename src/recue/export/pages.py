"""What self-contained HTML pages share: the template environment with the common style, and writing them whole."""

import contextlib
import os
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from recue.core.errors import ConfigError


def page_environment(*packages: str) -> Environment:
    """Templates of some packages' `templates` folders, and those that all pages share.

    `page.css.jinja` is the style, `strip.html.jinja` the macro that shows a `Strip`.
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader(package, "templates") for package in (*packages, "recue.export")]),
        autoescape=True,  # file names are whatever people call their files
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def save_page(text: str, path: str | os.PathLike[str], *, what: str) -> Path:
    """Write a page, whole or not at all; the folder it goes to is made where absent.

    Args:
        text: The page.
        path: An existing file is replaced.
        what: What it is, for the error.

    Returns:
        The absolute path of the page.

    Raises:
        ConfigError: it cannot be written there.
    """
    out = Path(path).absolute()
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
        partial.replace(out)
    except OSError as error:
        with contextlib.suppress(OSError):  # a folder that is a file has nothing to unlink either
            partial.unlink()
        raise ConfigError(f"{what} cannot be written to '{out}': {error.strerror}; name another file") from error
    return out
