"""What every test shares: the opt-in options, the markers' skips, one thread, and a home of their own.

Tests never see the user's galleries: `RECUE_HOME` points at a folder that goes away with the run, set here, before
anything of recue is imported. Weights are read where the user keeps them (`RECUE_CACHE`, or the default).
"""

import os
import shutil
import signal
import tempfile
from pathlib import Path

# Torch, BLAS and numba read these when they are first imported.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
_HOME = Path(tempfile.mkdtemp(prefix="recue-tests-"))
os.environ["RECUE_HOME"] = str(_HOME)
os.environ.pop("RECUE_GALLERY", None)

# A shell starts what it runs in the background with Ctrl-C ignored, and children inherit that. The tests of Ctrl-C
# need it as it is in a terminal.
signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest  # noqa: E402  (the environment comes first)

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests that take more than ten seconds too")
    parser.addoption("--network", action="store_true", help="run the tests that fetch from a package index too")


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if reason := _skip_reason(item, config):
            item.add_marker(pytest.mark.skip(reason=reason))


def _skip_reason(item: pytest.Item, config: pytest.Config) -> str | None:
    if item.get_closest_marker("slow") and not config.getoption("--slow"):
        return "slow: run with --slow"
    if item.get_closest_marker("network") and not config.getoption("--network"):
        return "fetches from a package index: run with --network"
    if item.get_closest_marker("shared") and not SHARED_DATA.is_dir():
        return f"the development data is absent: {SHARED_DATA}"
    if marker := item.get_closest_marker("weights"):
        absent = _absent_weights(marker.args)
        if absent:
            return f"weights absent ({', '.join(absent)}): run `recue prepare`"
    return None


def _absent_weights(names: tuple[str, ...]) -> list[str]:
    """Those of `names` (default: what the default profile needs) that are not in the cache."""
    try:
        from recue.features import weights_needed
        from recue.models.weights import is_ready
    except ImportError as error:
        return [str(error)]
    return [name for name in names or weights_needed("balanced") if not is_ready(name)]


@pytest.fixture
def recue_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for galleries that this test has to itself."""
    home = tmp_path / "recue-home"
    home.mkdir()
    monkeypatch.setenv("RECUE_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The development data; use with the marker `shared`."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the development data is absent: {SHARED_DATA}")
    return SHARED_DATA
