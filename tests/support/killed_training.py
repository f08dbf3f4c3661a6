"""A training that kills itself: python -m support.killed_training CONFIG OUT (step N | file N | never 0).

With `step N` after step N, with `file N` when its N-th file is written and has not yet taken its place. CONFIG is JSON.
"""

import json
import os
import signal
import sys
from pathlib import Path

from recue.models import MODELS, saved
from recue.training import loop
from recue.training.config import make_config
from recue.training.news import TrainingEvent
from support.pairs import made_dataset


def main() -> None:
    config, out, when, number = sys.argv[1:]
    MODELS._entries.update({"stepwise": "support.pairs:Stepwise", "two-parts": "support.pairs:TwoParts"})
    n_files = 0

    def tell(event: TrainingEvent) -> None:
        print(event.kind, event.step, flush=True)
        if when == "step" and event.kind == "step" and event.step == int(number):
            os.kill(os.getpid(), signal.SIGKILL)

    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        nonlocal n_files
        n_files += 1
        if when == "file" and n_files == int(number):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, target)

    saved.Path.replace = replace  # type: ignore[method-assign, assignment]
    loop.train(make_config(json.loads(config)), made_dataset(), Path(out), progress=tell)


if __name__ == "__main__":
    main()
