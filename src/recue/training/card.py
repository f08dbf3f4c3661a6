"""The README of a checkpoint: what it is, what it was trained on, what it reached, how to use it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recue.models.saved import CARD, CheckpointConfig, read_config, read_state, replace_file


def write_card(directory: Path) -> None:
    """Write the card of a checkpoint from what the checkpoint says of itself.

    Raises:
        ConfigError: there is no checkpoint.
        WeightsError: its weights are absent or damaged.
    """
    text = card(read_config(directory), read_state(directory), name=directory.resolve().name)
    replace_file(directory / CARD, lambda path: path.write_text(text, "utf-8"))


def card(config: CheckpointConfig, state: Mapping[str, Any], *, name: str) -> str:
    """The card as Markdown."""
    training = config.training
    figures = state.get("figures", {})
    lines = [
        "---",
        "library_name: recue",
        f"tags: [video, moment-retrieval, re-localization, {config.model}]",
        "---",
        "",
        f"# {name}",
        "",
        f"A `{config.model}` network: given an example clip, it finds the moment like it in a longer video. "
        f"Made by `recue train`, recue {training.get('recue', '?')}.",
        "",
        "## How to use it",
        "",
        "```",
        f"recue search CLIP --localizer ./{name}",
        f"recue evaluate ./{name} --data SPEC --split test --out results",
        "```",
        "",
        "```python",
        "from recue.localize.learned import load_localizer",
        "",
        f'localizer = load_localizer("./{name}")',
        "```",
        "",
        f"It takes features of `{config.features['name']}` (fingerprint `{config.features['fingerprint']}`), "
        f"{config.dim} numbers a step, and refuses others. References longer than {config.window_steps} steps are "
        f"covered by windows that overlap by {config.overlap_steps}.",
        "",
        "## What it was trained on",
        "",
        *_table(training.get("data", {})),
        "",
        "## What it reached",
        "",
    ]
    if figures:
        lines += [f"On the validation questions, after step {state.get('step')}:", "", *_table(figures)]
    else:
        lines += [f"Never validated; the weights are those after step {state.get('step')}."]
    lines += [
        "",
        "These are figures on the classes it was chosen by. For others run `recue evaluate` on a test split.",
        "",
        "## How it was made",
        "",
        "```",
        str(training.get("command") or "recue train CONFIG"),
        "```",
        "",
        "```json",
        json.dumps(training.get("config", {}), indent=2, ensure_ascii=False),
        "```",
        "",
    ]
    return "\n".join(lines)


def _table(values: Mapping[str, Any]) -> list[str]:
    rows = [
        f"| {key} | {value:.4f} |" if isinstance(value, float) else f"| {key} | {value} |"
        for key, value in values.items()
    ]
    return ["| | |", "| --- | --- |", *rows]
