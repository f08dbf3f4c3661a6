"""`recue checkpoint`: what a trained model is; to a hub and back."""

from pathlib import Path
from typing import Annotated

import typer

from recue.cli import exits, options, output

app = typer.Typer(
    name="checkpoint",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="A checkpoint directory that `recue train` made.")]
Revision = Annotated[
    str | None, typer.Option("--revision", metavar="REV", help="A branch, tag or commit. Default: the main branch.")
]


@app.command("show")
@exits.command
def show(directory: Directory, json: options.Json = False) -> int:
    """What a checkpoint is, what it takes, and what it reached."""
    from recue.models.saved import read_config, read_state
    from recue.training.hub import weights_sha256

    config, state, sha256 = read_config(directory), read_state(directory), weights_sha256(directory)
    if json:
        output.document({**config.document(), **state, "sha256": sha256})
        return exits.OK
    changed = {key: value for key, value in config.training.get("config", {}).get("model", {}).items() if key != "name"}
    rows = [
        ("model", config.model),
        ("options", _listed({**changed.get("options", {})}) or "defaults"),
        ("features", f"{config.features['name']} ({config.features['fingerprint']}), {config.dim} numbers a step"),
        ("inputs", _listed(config.inputs) or "as they are"),
        ("windows", f"{config.window_steps} steps, overlapping by {config.overlap_steps}"),
        ("trained on", str(config.training.get("config", {}).get("data", {}).get("spec", "unknown"))),
        ("step", str(state.get("step", "unknown"))),
        *((name, f"{value:.4f}") for name, value in state.get("figures", {}).items()),
        ("sha256", sha256),
    ]
    output.table([output.Column("what"), output.Column("value", flexible=True)], rows)
    return exits.OK


@app.command("push")
@exits.command
def push(
    directory: Directory,
    repo: Annotated[str, typer.Argument(metavar="REPO", help="On the hub: OWNER/NAME.")],
    revision: Revision = None,
    private: Annotated[bool, typer.Option("--private", help="Let only its owner see a new repository.")] = False,
    json: options.Json = False,
) -> int:
    """Put a checkpoint on a model hub. Needs the extra `hub`, and a login there."""
    from recue.training import hub

    pushed = hub.push(directory, repo, revision=revision, private=private)
    if json:
        document = {"schema": 1, "repo": pushed.repo, "revision": pushed.revision, "sha256": pushed.sha256}
        output.document(document)
    else:
        output.result(f"{pushed.repo} {pushed.revision}")
        output.note(f"weights: sha256 {pushed.sha256}")
    return exits.OK


@app.command("pull")
@exits.command
def pull(
    repo: Annotated[str, typer.Argument(metavar="REPO", help="On the hub: OWNER/NAME.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where it goes. Default: runs/ and its name.")
    ] = None,
    revision: Revision = None,
    sha256: Annotated[
        str | None, typer.Option("--sha256", metavar="HEX", help="Refuse weights that are not these.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the checkpoint that is there.")] = False,
    json: options.Json = False,
) -> int:
    """Get a checkpoint from a model hub and check it. Needs the extra `hub`."""
    from recue.training import hub

    place = out or Path("runs") / repo.rpartition("/")[2]
    pulled = hub.pull(repo, place, revision=revision, sha256=sha256, force=force)
    if json:
        output.document({"schema": 1, "checkpoint": str(pulled.directory), "sha256": pulled.sha256})
    else:
        output.result(str(pulled.directory))
        output.note(f"weights: sha256 {pulled.sha256}")
    return exits.OK


def _listed(values: object) -> str:
    assert isinstance(values, dict)
    return ", ".join(f"{key}={value}" for key, value in values.items())
