"""`recue info`: what a gallery is, how much it holds, whether it is sound."""

from typing import TYPE_CHECKING, Annotated

import typer

from recue.cli import exits, options, output

if TYPE_CHECKING:
    from recue import LibraryInfo

#: A damaged gallery, as `GalleryError` in `recue.core.errors`.
_DAMAGED = 4


@exits.command
def info(
    gallery: options.Gallery = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check every video's features and file; exit status 4 on damage.")
    ] = False,
    json: options.Json = False,
) -> int:
    """Say what a gallery is and how much it holds; with --verify, whether it is sound."""
    import recue

    about = recue.open(gallery).info(verify=verify)
    if json:
        from dataclasses import asdict

        problems = [asdict(problem) | {"is_damage": problem.is_damage} for problem in about.problems]
        output.document({"schema": 1, **asdict(about), "problems": problems})
    else:
        _print(about)
    return _DAMAGED if any(problem.is_damage for problem in about.problems) else exits.OK


def _print(about: "LibraryInfo") -> None:
    from recue.cli import words
    from recue.features.profiles import PROFILES

    stats, source = about.stats, about.source
    profiles = [name for name, profile in PROFILES.items() if profile.spec == source.name]
    lines = [
        ("gallery", about.name),
        ("directory", about.location),
        ("made", about.created_at),
        ("profile", ", ".join(profiles) or "none: a backbone of its own"),
        ("features", f"{source.name}: {source.dim} numbers every {source.step_s:g} s"),
        ("fingerprint", source.fingerprint),
        ("videos", f"{stats.n_videos:,}, {words.hms(stats.duration_s)}, {stats.n_steps:,} steps"),
        (
            "disk",
            f"{words.size(stats.total_bytes)}: features {words.size(stats.features_bytes)}, catalogue "
            f"{words.size(stats.catalogue_bytes)}, derived {words.size(stats.derived_bytes)}",
        ),
    ]
    for name, value in lines:
        output.result(f"{name:<12} {value}")
    for problem in about.problems:
        output.result(f"{'damage' if problem.is_damage else 'note':<12} {problem.message}")
    if about.verified and not about.problems:
        output.result(f"{'verified':<12} every video is whole, and its file is where it was")
