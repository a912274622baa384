import pytest
import torch

from genomelm.nn.lookup import RUN, RUNS, FewRows, Lookup, summed_rows


@pytest.mark.parametrize("size", [1, RUN - 1, RUN, RUN + 1, RUN * RUNS + 7])
def test_rows_are_summed_as_by_their_names(size: int) -> None:
    torch.manual_seed(0)
    x, index = torch.randn(size, 6), torch.randint(0, 5, (size,))
    wanted = torch.zeros(5, 6, dtype=torch.float64).index_add(0, index, x.double())
    torch.testing.assert_close(summed_rows(x, index, 5).double(), wanted, atol=1e-3, rtol=1e-5)


def test_the_gradient_is_that_of_an_embedding() -> None:
    torch.manual_seed(0)
    table, index, upstream = FewRows(7, 4), torch.randint(0, 6, (3, 50)), torch.randn(3, 50, 4)
    plain = torch.autograd.grad((table(index) * upstream).sum(), table.weight)[0]
    ours = Lookup.apply(table.weight, index)
    assert torch.equal(ours, table(index))
    (found,) = torch.autograd.grad((ours * upstream).sum(), table.weight)
    torch.testing.assert_close(found, plain)
    assert not found[6].any()


def test_bf16_gradients_are_summed_in_float32() -> None:
    x = torch.full((3 * RUN, 1), 1.0, dtype=torch.bfloat16)
    assert summed_rows(x, torch.zeros(3 * RUN, dtype=torch.int64), 2).tolist() == [[3.0 * RUN], [0.0]]


@pytest.mark.gpu
def test_a_gpu_sums_the_same() -> None:
    torch.manual_seed(0)
    table, index = FewRows(260, 64), torch.randint(60, 90, (2, 70_000))
    upstream = torch.randn(2, 70_000, 64)
    wanted = torch.zeros(260, 64, dtype=torch.float64).index_add(0, index.flatten(), upstream.double().flatten(0, 1))
    there, index, upstream = table.cuda(), index.cuda(), upstream.cuda()
    found, again = (torch.autograd.grad((there(index) * upstream).sum(), there.weight)[0] for _ in range(2))
    assert torch.equal(found, again)
    torch.testing.assert_close(found.double().cpu(), wanted, atol=1e-3, rtol=1e-5)
