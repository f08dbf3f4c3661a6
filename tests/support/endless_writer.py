"""A process that writes to a gallery until it is killed: `python endless_writer.py GALLERY SEED`.

Before each action it says what it begins, and after it that it is done; one line each.
"""

import sys

import numpy as np

from recue.gallery import open_gallery, store
from support.galleries import make_features, make_record


def main(directory: str, seed: int) -> None:
    store.MAX_VIDEO_FRAGMENTS, store.MAX_STEP_FRAGMENTS, store.MIN_INDEXED_ROWS = 4, 6, 100
    store.tables.ROWS_PER_APPEND = 32
    gallery = open_gallery(directory)
    rng = np.random.default_rng(seed)
    moment = 0
    while True:
        moment += 1
        number, version = int(rng.integers(12)), seed * 100_000 + moment
        record = make_record(number, metadata={"version": version})
        if rng.random() < 0.2 and any(known.id == record.id for known in gallery.videos()):
            print("begin remove", number, version, flush=True)
            gallery.remove([record.id])
        else:
            print("begin add", number, version, flush=True)
            gallery.add(record, make_features(version, 20 + version % 60))
        print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
