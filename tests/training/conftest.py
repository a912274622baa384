"""A small genome with its patches, and models that train on it in seconds."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_runs import LEARNS, SETTINGS, patched, run, settings_of

from genomelm.patching.patcher import Patcher, PatcherConfig
from genomelm.seq.alphabet import encode
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.training.windows import GenomeWindows


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """A 12 kb genome of repeated codon-like pieces, its entropy patches, and the regions to use."""
    folder = tmp_path_factory.mktemp("site")
    generator = np.random.default_rng(11)
    pieces = ["".join(generator.choice(list("ACGT"), 30)) for _ in range(6)]
    text = "".join(pieces[i] for i in generator.integers(0, 6, 400))
    (folder / "g.fa").write_text(">c\n" + text + "\n")
    ids = encode(text)
    patcher = Patcher.fit(PatcherConfig("entropy", order=4), lambda: [ids[:9000]], 6, ("c:1-9000",))
    return SimpleNamespace(
        genome=Genome(folder / "g.fa"),
        train=[Interval("c", 0, 9000)],
        test=[Interval("c", 9000, 12000)],
        text=text,
        **patched(folder / "patches", patcher, ids),
    )


@pytest.fixture(scope="session")
def masked_site(site, tmp_path_factory):
    """The same genome with patches of six bases, as masked models have them."""
    folder = tmp_path_factory.mktemp("masked_site")
    patcher = Patcher(PatcherConfig("fixed_stride", stride=6))
    return SimpleNamespace(**{**vars(site), **patched(folder / "patches", patcher, encode(site.text))})


@pytest.fixture(scope="session")
def recall_site(tmp_path_factory):
    """Records of 30 bases: a letter six times, 23 bases that are always the same, and that letter again.

    The first and last letters lie further apart than local layers and the patches around a byte reach.
    """
    folder = tmp_path_factory.mktemp("recall_site")
    generator = np.random.default_rng(7)
    filler = "".join(generator.choice(list("ACGT"), 24))[:23]
    text = "".join(6 * letter + filler + letter for letter in generator.choice(list("ACGT"), 300))
    (folder / "g.fa").write_text(f">c\n{text}\n")
    records = [Interval("c", start, start + 30) for start in range(0, len(text), 30)]
    return SimpleNamespace(
        genome=Genome(folder / "g.fa"),
        train=records[:200],
        test=records[200:],
        **patched(folder / "patches", Patcher(PatcherConfig("fixed_stride", stride=6)), encode(text)),
    )


@pytest.fixture(scope="session")
def learned(site, masked_site, tmp_path_factory):
    """(family, objective) -> a model that has learned the pieces, held-out windows and its log; trained once."""

    @functools.cache
    def train(family, objective):
        place = site if objective == "causal" else masked_site
        # Without k-mers a causal model's local layers see five bases; what lies further back comes through patches.
        settings = settings_of(family, objective, kmers=() if objective == "causal" else (2, 3))
        model, log = run(place, tmp_path_factory.mktemp("learned") / "state", LEARNS, settings)
        windows = GenomeWindows(place.genome, place.store, place.patcher, place.test, 120)
        return SimpleNamespace(model=model, log=log, windows=windows)

    return train


@pytest.fixture(params=SETTINGS)
def causal(request, learned):
    return learned(request.param, "causal")


@pytest.fixture(params=SETTINGS)
def masked(request, learned):
    return learned(request.param, "masked")
