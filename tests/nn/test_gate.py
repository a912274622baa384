import torch

from genomelm.nn.gate import ConservationGate

NAN = float("nan")


def test_the_factor_is_that_of_the_track_and_one_where_it_is_missing() -> None:
    torch.manual_seed(0)
    gate = ConservationGate(4).double()
    for parameter in gate.parameters():
        torch.nn.init.normal_(parameter)
    y = torch.randn(2, 3, 4, dtype=torch.float64)
    track = torch.tensor([[0.5, NAN, -2.0], [NAN, NAN, 3.0]], dtype=torch.float64)
    found = gate(y, track)
    for row in range(2):
        for patch in range(3):
            c = track[row, patch]
            factor = 1.0 if c.isnan() else 1 + torch.sigmoid(gate.slope * c + gate.bias)
            torch.testing.assert_close(found[row, patch], y[row, patch] * factor)
    assert not torch.allclose(found[0, 0], y[0, 0])


def test_missing_values_leave_all_gradients_finite() -> None:
    gate, y = ConservationGate(4), torch.randn(1, 3, 4, requires_grad=True)
    gate(y, torch.tensor([[1.0, NAN, NAN]])).square().sum().backward()
    torch.testing.assert_close(y.grad[0, 1:], 2 * y.detach()[0, 1:])
    assert all(p.grad.isfinite().all() and p.grad.any() for p in gate.parameters())
