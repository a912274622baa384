"""A small genome with its patches, and a model that trains on it in seconds."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from genomelm.patching.patcher import Patcher, PatcherConfig
from genomelm.patching.store import PatchStore, write_store
from genomelm.seq.alphabet import encode
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """A 12 kb genome of repeated codon-like pieces, its patches, and the regions to use."""
    folder = tmp_path_factory.mktemp("site")
    generator = np.random.default_rng(11)
    pieces = ["".join(generator.choice(list("ACGT"), 30)) for _ in range(6)]
    text = "".join(pieces[i] for i in generator.integers(0, 6, 400))
    (folder / "g.fa").write_text(">c\n" + text + "\n")
    ids = encode(text)
    patcher = Patcher.fit(PatcherConfig("entropy", order=4), lambda: [ids[:9000]], 6, ("c:1-9000",))
    patcher.save(folder / "patches" / "patcher")
    write_store(folder / "patches" / "store", patcher, {"c": len(ids)}, lambda _c, a, b: ids[a:b])
    return SimpleNamespace(
        folder=folder,
        genome=Genome(folder / "g.fa"),
        patches=folder / "patches",
        patcher=patcher,
        store=PatchStore(folder / "patches" / "store"),
        train=[Interval("c", 0, 9000)],
        test=[Interval("c", 9000, 12000)],
        text=text,
    )
