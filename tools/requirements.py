"""Print what pyproject.toml asks for, but for some packages: python tools/requirements.py --without torch."""

import re
import sys
import tomllib
from pathlib import Path


def requirements(pyproject: str, *, without: set[str]) -> list[str]:
    """Dependencies of recue and of its checks, those named in `without` left out."""
    project = tomllib.loads(pyproject)["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return [line for line in wanted if re.split(r"[^\w.-]", line, maxsplit=1)[0] not in without]


if __name__ == "__main__":
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    print("\n".join(requirements(text, without=set(sys.argv[2:]))))
