"""Where this user's packages come from: the index settings that pip itself would read.

Sources, later ones winning: the machine's, the user's and the environment's `pip.conf`, the file that
`PIP_CONFIG_FILE` names, and the `PIP_*` variables. Read here rather than asked of pip, which need not be installed.
"""

import configparser
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: Stands for the index that the package finder knows by itself, where nothing else is configured.
DEFAULT_INDEX = "the default index"
_SECTIONS = ("global", "install", "download")


@dataclass(frozen=True, slots=True)
class PackageIndex:
    """What to ask, in order.

    Attributes:
        find_links: Folders or pages that list archives; asked first, as they are usually near.
        index_urls: Simple indexes.
        trusted_hosts: Hosts whose certificate is not checked, because the user said so.
        certificate: A bundle of certificate authorities; None for the built-in one.
        proxy: Proxy address; None to follow the usual `*_PROXY` variables.
        timeout_s: Longest wait for one answer.
    """

    find_links: tuple[str, ...] = ()
    index_urls: tuple[str, ...] = (DEFAULT_INDEX,)
    trusted_hosts: tuple[str, ...] = ()
    certificate: str | None = None
    proxy: str | None = None
    timeout_s: float = 60.0


def read_settings(environment: Mapping[str, str] | None = None) -> PackageIndex:
    """The settings in force for this user.

    Args:
        environment: Variables to read instead of the process's own.
    """
    environment = os.environ if environment is None else environment
    options: dict[str, str] = {}
    for path in _config_files(environment):
        options.update(_read_file(path))
    options.update(
        (key[4:].lower().replace("_", "-"), value)
        for key, value in environment.items()
        if key.startswith("PIP_") and value
    )
    index_urls = (options.get("index-url", DEFAULT_INDEX), *_words(options.get("extra-index-url")))
    return PackageIndex(
        find_links=_words(options.get("find-links")),
        index_urls=() if options.get("no-index", "").lower() in ("1", "true", "yes", "on") else index_urls,
        trusted_hosts=_words(options.get("trusted-host")),
        certificate=options.get("cert") or None,
        proxy=options.get("proxy") or None,
        timeout_s=_seconds(options.get("default-timeout") or options.get("timeout")),
    )


def _config_files(environment: Mapping[str, str]) -> list[Path]:
    chosen = environment.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return []
    home = Path(environment.get("HOME") or Path.home())
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    machine = [Path(folder) / "pip" for folder in environment.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep)]
    folders = [*machine, Path("/etc"), home / ".pip", user / "pip", Path(sys.prefix)]
    return [folder / "pip.conf" for folder in folders] + ([Path(chosen)] if chosen else [])


def _read_file(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        # A file that pip itself could not read would have been noticed long before; it is left out here.
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return {}
    return {
        key.replace("_", "-"): value
        for section in _SECTIONS
        if parser.has_section(section)
        for key, value in parser.items(section)
    }


def _words(value: str | None) -> tuple[str, ...]:
    return tuple(re.split(r"\s+", value.strip())) if value and value.strip() else ()


def _seconds(value: str | None) -> float:
    try:
        return max(1.0, float(value)) if value else 60.0
    except ValueError:
        return 60.0
