"""A fingerprint tells apart what must not be compared, and nothing else."""

from dataclasses import dataclass

from recue.features.common import fingerprint_of


@dataclass(frozen=True)
class _Before:
    size: int = 224
    runtime: str = "torch"


@dataclass(frozen=True)
class _After(_Before):
    height: int | None = None


def _of(config: object) -> str:
    return fingerprint_of("some", 1, config, weights=(), leave_out=("runtime",), later={"height": None})


def test_options_count_unless_they_do_not_change_the_features() -> None:
    assert _of(_Before(size=160)) != _of(_Before())
    assert _of(_Before(runtime="openvino")) == _of(_Before())


def test_an_option_that_came_later_counts_only_where_it_is_used() -> None:
    assert _of(_After()) == _of(_Before())
    assert _of(_After(height=160)) != _of(_After())
    assert _of(_After(height=160)) != _of(_After(height=128))
