import pytest
import torch
from torch import Tensor

from recue.core.errors import ShapeError
from recue.models.layers.matching import BothWays, Matching
from support.plain_matching import plain_matching

VARIANTS = [
    {"gate": False, "bilinear": False},
    {"gate": True, "bilinear": False},
    {"gate": False, "bilinear": True},
    {"gate": True, "bilinear": True},
    {"gate": False, "bilinear": True, "tied": False},
    {"gate": True, "bilinear": True, "tied": False},
]


def made(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Four padded pairs, the padding full of large numbers."""
    torch.manual_seed(seed)
    n_query, n_reference = torch.tensor([5, 1, 3, 4]), torch.tensor([4, 7, 1, 7])
    query, reference = torch.randn(4, 5, 6), torch.randn(4, 9, 6)
    query[torch.arange(5) >= n_query[:, None]] = 1e4
    reference[torch.arange(9) >= n_reference[:, None]] = 1e4
    return query, n_query, reference, n_reference


@pytest.mark.parametrize("switches", VARIANTS)
def test_the_recurrence_is_that_of_the_equations_and_so_are_its_gradients(switches: dict[str, bool]) -> None:
    arrays = made()
    matching = Matching(6, rank=3, **switches)
    with torch.no_grad():
        for parameter in matching.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    results = []
    for run in ("fast", "plain"):
        query, reference = (x.clone().requires_grad_() for x in (arrays[0], arrays[2]))
        inputs = (query, arrays[1], reference, arrays[3])
        if run == "fast":
            states, attention = matching(*inputs, keep_attention=True)
        else:
            states, attention = plain_matching(matching, *inputs)
        assert attention is not None
        matching.zero_grad()
        weights = torch.arange(1.0, states.shape[2] + 1)
        ((states * weights).square().sum() + attention.square().sum()).backward()
        gradients = [parameter.grad for parameter in (*matching.parameters(), query, reference)]
        assert all(gradient is not None for gradient in gradients)
        results.append((states, attention, gradients))
    fast, plain = results
    torch.testing.assert_close(fast[0], plain[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(fast[1], plain[1], atol=1e-5, rtol=1e-5)
    for a, b in zip(fast[2], plain[2], strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-4)


def test_attention_of_valid_steps_sums_to_one_and_padding_gets_none() -> None:
    query, n_query, reference, n_reference = made(1)
    attention = Matching(6)(query, n_query, reference, n_reference, keep_attention=True).attention
    for row, q, r in zip(attention, n_query, n_reference, strict=True):
        torch.testing.assert_close(row[:r].sum(dim=2), torch.ones(int(r), 2))
        assert (row[:r, :, q:] == 0).all()
        assert (row[r:] == 0).all()


def test_a_walk_goes_both_ways_and_back() -> None:
    padded = torch.tensor([[1.0, 2.0, 0.0], [3.0, 4.0, 5.0]])[:, :, None]
    walk = BothWays(torch.tensor([2, 3]), 3)
    rows = walk.rows(padded)[:, :, 0]
    assert walk.n_rows == [2, 2, 1]
    assert rows.tolist() == [[3, 5], [1, 2], [4, 4], [2, 1], [5, 3]]
    back = walk.padded([rows[:2, :, None], rows[2:4, :, None], rows[4:, :, None]])
    torch.testing.assert_close(back, padded[:, :, None].expand(-1, -1, 2, -1))


@pytest.mark.parametrize(
    ("n_query", "n_reference"), [([0, 1], [1, 1]), ([1, 1], [0, 1]), ([3, 1], [1, 1]), ([1, 1], [1, 5])]
)
def test_empty_and_overlong_sequences_are_refused(n_query: list[int], n_reference: list[int]) -> None:
    with pytest.raises(ShapeError, match="valid steps"):
        Matching(4)(torch.zeros(2, 2, 4), torch.tensor(n_query), torch.zeros(2, 4, 4), torch.tensor(n_reference))
