"""Checkpoints to and from a model hub; the one user of `huggingface_hub`, which is optional.

What travels is the checkpoint alone: config, weights, card. Nothing that is pulled is run: the config is JSON, the
weights are safetensors, and both are read before they take their place.
"""

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recue.core.errors import ConfigError, MissingExtraError, WeightsError
from recue.models.saved import CARD, CONFIG, WEIGHTS, load_trained, read_config

_FILES = [CONFIG, WEIGHTS, CARD]


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was pushed.

    Attributes:
        repo: Where to.
        revision: The commit.
        sha256: Of the weights, for whoever pulls them.
    """

    repo: str
    revision: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Pulled:
    """What was pulled.

    Attributes:
        directory: The checkpoint.
        sha256: Of its weights.
    """

    directory: Path
    sha256: str


def push(directory: Path, repo: str, *, revision: str | None = None, private: bool = False) -> Pushed:
    """Put a checkpoint on the hub, as the user that is logged in there (`hf auth login`, or HF_TOKEN).

    Args:
        directory: The checkpoint.
        repo: `NAME` or `OWNER/NAME`; made where it does not exist.
        revision: A branch; default: the main one.
        private: Let a new repository be seen by its owner alone.

    Raises:
        ConfigError: there is no checkpoint.
        WeightsError: the checkpoint is damaged, or the hub refuses.
        MissingExtraError: huggingface_hub is not installed.
    """
    config = read_config(directory)
    load_trained(directory)
    api = _hub().HfApi()
    try:
        made = api.create_repo(repo, private=private, exist_ok=True, repo_type="model")
        commit = api.upload_folder(
            repo_id=made.repo_id,
            folder_path=str(directory),
            allow_patterns=_FILES,
            revision=revision,
            commit_message=f"Add a {config.model} checkpoint",
        )
    except Exception as error:  # the hub's own errors, and those of the HTTP library that it happens to use
        raise WeightsError(f"'{directory}' could not be pushed to '{repo}': {_first_line(error)}") from error
    return Pushed(made.repo_id, str(commit.oid), weights_sha256(directory))


def pull(
    repo: str, out: Path, *, revision: str | None = None, sha256: str | None = None, force: bool = False
) -> Pulled:
    """Get a checkpoint from the hub, check it, and put it in its place.

    Args:
        repo: `OWNER/NAME`.
        out: Where it goes; a new or empty folder.
        revision: A branch, a tag or a commit; default: the main branch.
        sha256: What the weights must be.
        force: Replace the checkpoint that is at `out`.

    Raises:
        ConfigError: `out` is taken, or what was pulled is no checkpoint that this version reads.
        WeightsError: the hub refuses, or the weights are not what was asked for, or damaged.
        MissingExtraError: huggingface_hub is not installed.
    """
    taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
    if taken and not (force and (out / CONFIG).is_file()):
        raise ConfigError(
            f"'{out}' exists; choose another place (--out), or --force to replace a checkpoint that is there"
        )
    hub = _hub()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        new = Path(scratch) / "checkpoint"
        try:
            hub.snapshot_download(repo, revision=revision, allow_patterns=_FILES, local_dir=str(new))
        except Exception as error:  # as above
            raise WeightsError(f"'{repo}' could not be pulled: {_first_line(error)}") from error
        load_trained(new)
        found = weights_sha256(new)
        if sha256 is not None and found != sha256.lower():
            raise WeightsError(f"the weights of '{repo}' have sha256 {found}, expected {sha256}; nothing was kept")
        shutil.rmtree(new / ".cache", ignore_errors=True)  # the hub's own bookkeeping
        if taken:
            shutil.rmtree(out)
        elif out.exists():
            out.rmdir()
        new.rename(out)
    return Pulled(out, found)


def weights_sha256(directory: Path) -> str:
    """Of a checkpoint's weights, hexadecimal.

    Raises:
        WeightsError: it has none.
    """
    try:
        with (directory / WEIGHTS).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise WeightsError(f"'{directory}' has no {WEIGHTS}: the checkpoint is not whole") from error


def _hub() -> Any:
    try:
        import huggingface_hub  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", "hub", "pushing and pulling checkpoints") from error
    return huggingface_hub


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
