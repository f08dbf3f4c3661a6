import pytest

from support.variants import VARIANTS, Variant, write_variant


@pytest.fixture(scope="session")
def variants(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Variant]:
    return {name: write_variant(name, tmp_path_factory.mktemp(name)) for name in VARIANTS}


@pytest.fixture(params=list(VARIANTS))
def variant(request: pytest.FixtureRequest, variants: dict[str, Variant]) -> Variant:
    return variants[request.param]
