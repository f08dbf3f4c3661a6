"""A training that kills itself: python killed_training.py CONFIG.json OUT (step N | file N).

With `step N` after step N, with `file N` when its N-th file is written and has not yet taken its place.
"""

import json
import os
import signal
import sys
from pathlib import Path

from recue.models import saved
from recue.training import loop
from recue.training.config import make_config
from support.pairs import made_dataset


def main() -> None:
    config, out, when, number = sys.argv[1:]
    n_files = 0

    def tell(event: loop.TrainingEvent) -> None:
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
