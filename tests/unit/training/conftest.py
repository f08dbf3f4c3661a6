import pytest

from recue.models import MODELS


@pytest.fixture(autouse=True)
def _made_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names for the models of `support.pairs`, as an entry point would add them."""
    MODELS.names()
    made = {"stepwise": "support.pairs:Stepwise", "two-parts": "support.pairs:TwoParts"}
    monkeypatch.setattr(MODELS, "_entries", {**MODELS._entries, **made})
