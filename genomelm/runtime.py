"""Device, dtype, threads and randomness: decided here, at the edge, once."""

import contextlib
import hashlib
import logging
import os
from collections.abc import Iterator

import torch

from genomelm.errors import ResourceError, UsageError

log = logging.getLogger(__name__)


def choose_device(name: str = "auto", require_gpu: bool = False) -> torch.device:
    """Return the device for `name` (auto, cpu, cuda, tpu).

    Raises:
        ResourceError: the device that was asked for is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return _own_gpu()
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
        return _own_gpu()
    if name == "tpu":
        try:
            import torch_xla
        except ImportError:
            raise ResourceError("--device tpu needs torch_xla; install genomelm[tpu]") from None
        from torch_xla.backends import get_mat_mul_precision, set_mat_mul_precision

        if get_mat_mul_precision() != "highest":  # a TPU multiplies float32 as bf16 unless it is told not to
            set_mat_mul_precision("highest")
        return torch_xla.device()
    raise UsageError(f"--device {name} is unknown; choose auto, cpu, cuda or tpu")


def processes() -> tuple[int, int]:
    """Return this process's number and how many were started for one run: (0, 1) where it is alone.

    `torchrun` and `accelerate launch` say so in the environment.
    """
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def _own_gpu() -> torch.device:
    """Return the GPU of this process: of several on a machine each has one of its own."""
    if processes()[1] == 1:
        return torch.device("cuda")
    number, count = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if count > 1 and number >= count:
        raise ResourceError(
            f"process {number} of this machine has no GPU of its own, torch sees {count}: start at most {count} "
            "processes a machine, or give --device cpu"
        )
    return torch.device("cuda", number % count)


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """Return the context in which products are of `precision`: float32, or bf16 by torch's autocast."""
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def seed_draws(seed: int, device: torch.device) -> None:
    """Seed what torch draws on the CPU and on `device`."""
    torch.manual_seed(seed)
    if device.type == "xla":  # of which torch itself does not know
        import torch_xla

        torch_xla.manual_seed(seed, device)


def without_gradients(device: torch.device) -> contextlib.AbstractContextManager:
    """Return the context of passes that nobody differentiates; XLA's tensors cannot be changed in inference mode."""
    return torch.no_grad() if device.type == "xla" else torch.inference_mode()


def work_off(device: torch.device) -> None:
    """Let XLA compute all that it was asked for so far; other devices do so by themselves.

    XLA works only when numbers are asked for, and then on these alone: without this a step's gradients would be worked
    out once for their norm and once more for the optimizer.
    """
    if device.type == "xla":
        import torch_xla

        torch_xla.sync()


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
