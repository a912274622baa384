import warnings

import torch

from genomelm.nn.norm import RMSNorm


def test_float32_is_what_torch_makes_of_it() -> None:
    torch.manual_seed(0)
    ours, theirs, x = RMSNorm(12), torch.nn.RMSNorm(12), torch.randn(5, 12)
    torch.nn.init.normal_(ours.weight)
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(ours(x), theirs(x))


def test_autocast_finds_one_dtype_and_stays_near_float32() -> None:
    torch.manual_seed(0)
    norm, x = RMSNorm(64), torch.randn(50, 64)
    torch.nn.init.normal_(norm.weight)
    with torch.autocast("cpu", dtype=torch.bfloat16), warnings.catch_warnings():
        warnings.simplefilter("error")  # torch says so once a process where dtypes differ
        rough = norm(x.bfloat16())
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), norm(x), atol=0.01, rtol=2**-6)
