"""Device, dtype, threads and randomness: decided here, at the edge, once."""

import contextlib
import hashlib
import logging
from collections.abc import Iterator

import torch

from genomelm.errors import ResourceError

log = logging.getLogger(__name__)


def choose_device(name: str = "auto", require_gpu: bool = False) -> torch.device:
    """Return the device for `name` (auto, cpu, cuda, tpu).

    Raises:
        ResourceError: the device that was asked for is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        if require_gpu:
            raise ResourceError(
                "--require-gpu was given, but torch sees no CUDA device; run on a GPU node or drop the option"
            )
        log.warning("no GPU found: running on the CPU")
        return torch.device("cpu")
    if name == "cpu":
        if require_gpu:
            raise ResourceError("--require-gpu contradicts --device cpu; drop one of them")
        return torch.device("cpu")
    if name == "cuda":
        if not torch.cuda.is_available():
            raise ResourceError(
                "--device cuda was given, but torch sees no CUDA device; use --device cpu, or a CUDA build of torch"
            )
        return torch.device("cuda")
    if name == "tpu":
        try:
            import torch_xla
        except ImportError:
            raise ResourceError("--device tpu needs torch_xla; install genomelm[tpu]") from None
        return torch_xla.device()
    raise ResourceError(f"--device {name} is unknown; choose auto, cpu, cuda or tpu")


@contextlib.contextmanager
def exact_float32() -> Iterator[None]:
    """Switch TF32 off inside the block: likelihood differences need all 24 bits."""
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn


def counter_seed(*counters: int | str) -> int:
    """Hash (seed, epoch, step, rank, ...) to 63 bits: randomness as a pure function of counters."""
    text = "\x1f".join(map(str, counters)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


@contextlib.contextmanager
def seeded(*counters: int | str) -> Iterator[None]:
    """Seed torch with a hash of `counters` inside the block; its global state afterwards is as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed(*counters))
        yield


def set_threads(threads: int) -> None:
    """Let torch use so many CPU threads; sums depend on the number, so commands fix it."""
    torch.set_num_threads(threads)
