"""Options that several commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer


def complete_gallery(incomplete: str) -> list[str]:
    """Names of galleries, for the shell; reads folder names alone, so that Tab answers at once."""
    home = os.environ.get("RECUE_HOME")
    if home is None:
        import platformdirs

        home = str(platformdirs.user_data_path("recue"))
    folder = Path(home).expanduser() / "galleries"
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(name for name in names if name.startswith(incomplete))


def complete_dataset(incomplete: str) -> list[str]:
    """Names of datasets, for the shell; what follows the colon is the user's."""
    from recue.datasets import DATASETS

    return [f"{name}:" for name in DATASETS.names() if name.startswith(incomplete)]


def complete_localizer(incomplete: str) -> list[str]:
    """Names of localizers, for the shell."""
    from recue.localize import LOCALIZERS

    return [name for name in LOCALIZERS.names() if name.startswith(incomplete)]


def complete_profile(incomplete: str) -> list[str]:
    """Names of profiles, for the shell."""
    from recue.features.profiles import PROFILES

    return [name for name in PROFILES if name.startswith(incomplete)]


Gallery = Annotated[
    str | None,
    typer.Option(
        "--gallery",
        "-g",
        metavar="NAME|DIR",
        envvar="RECUE_GALLERY",
        help="The gallery: a name, or a directory (with a slash). Default: the gallery called 'default'.",
        autocompletion=complete_gallery,
    ),
]

Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="CONDITION",
        help="Only videos that meet it: 'year>=2020', 'place=Rome', 'tags~beach', 'name~.mkv'. May be repeated; "
        "all must hold.",
    ),
]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else on stdout.")]

Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="fast, balanced or accurate. Default: what the gallery has; balanced for a new one.",
        autocompletion=complete_profile,
    ),
]

Backbone = Annotated[
    str | None,
    typer.Option("--backbone", metavar="SPEC", help="Instead of a profile: a backbone and its options."),
]
