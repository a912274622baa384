"""One model for DNA, RNA and protein: each record is read and guessed as by a model of its own alphabet."""

import numpy as np
import pytest
import torch
from leaks import TOLERANCE, largest_leak
from small_batches import each_model

from genomelm.errors import UsageError
from genomelm.models import GenomeModel
from genomelm.models.encoding import Batch, make_batch, pack
from genomelm.models.generation import generate
from genomelm.models.heads import IGNORED
from genomelm.models.loading import load_model, save_model
from genomelm.models.sampling import Sampling
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import ALPHABETS, BOS, MASK, MODALITIES

BRANCHES = {"branches": {"motif": 2, "structure": True}}
KINDS = ["dna", "protein", "rna", "protein", "dna", "rna"]
LENGTHS = (90, 31, 64, 1, 0, 57)


def mixed_records(*lengths: int, kinds: list[str] = KINDS, seed: int = 0) -> list[np.ndarray]:
    """Random letters of each alphabet, its unknown one now and then."""
    random = np.random.default_rng(seed)
    made = []
    for name, length in zip(kinds, lengths, strict=True):
        known = ALPHABETS[name]
        drawn = random.choice(known.ids, length)
        made.append(np.where(random.random(length) < 0.05, ord(known.unknown), drawn))
    return made


@pytest.fixture
def make_mixed(make_model):
    """A small model of all alphabets, which reads DNA first, with patches of three letters for the others."""

    def make(**more) -> GenomeModel:
        model = make_model(alphabet="mixed", **more)
        others = [PatcherConfig("fixed_stride", stride=3, alphabet=name) for name in ("rna", "protein")]
        model.give_patchers({config.alphabet: Patcher(config) for config in others})
        return model

    return make


def marks_of(records: list[np.ndarray]) -> list[np.ndarray]:
    return [np.arange(len(record) + 1) % 5 == 0 for record in records]


def shown(model: GenomeModel, batch: Batch) -> Batch:
    """Hide some bytes of a masked model's batch, the same in a record whatever its place."""
    if model.objective == "causal":
        return batch
    return batch.hidden((batch.ids != BOS) & ((batch.ids * 7 + batch.ids.roll(1, 1)) % 5 == 0))


def labels_of(batch: Batch) -> torch.Tensor:
    """The letters themselves; those of hidden bytes are As, which all alphabets have."""
    return torch.where(batch.mask, torch.where(batch.ids == MASK, ord("A"), batch.ids), IGNORED)


@each_model
@pytest.mark.parametrize("sections", [{}, BRANCHES], ids=["plain", "branches"])
def test_records_of_all_alphabets_in_a_row_are_as_alone(make_mixed, family, objective, sections) -> None:
    model = make_mixed(family=family, objective=objective, sections=sections, hashed_kmers=[6])
    made, starts = mixed_records(*LENGTHS), marks_of(mixed_records(*LENGTHS))
    batch = shown(model, pack(made, starts, 320, model.shell.reach, modality=KINDS))
    assert len(batch.ids) < len(made)
    with torch.no_grad():
        together = model(**batch.inputs()).hidden_states
        for number, (record, kind) in enumerate(zip(made, KINDS, strict=True)):
            single = shown(model, make_batch([record], [starts[number]]))
            alone = model.read(kind)(**single.inputs()).hidden_states[0]
            torch.testing.assert_close(together[batch.records == number], alone, atol=1e-5, rtol=1e-5)
            mine = model.head.nats(alone[None], labels_of(single))
            told = torch.full_like(single.ids, MODALITIES.index(kind))
            theirs = model.head.nats(alone[None], labels_of(single), told)
            torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("alphabet", MODALITIES)
@pytest.mark.parametrize("objective", ["causal", "masked"])
def test_it_is_a_model_of_one_alphabet_with_the_same_weights(make_model, make_mixed, alphabet, objective) -> None:
    """The twin's bytes hold the sum of bytes and modality; its tables and branches are those of its alphabet."""
    mixed = make_mixed(objective=objective, sections=BRANCHES, hashed_kmers=[6], seed=1)
    own = {"kmers": [2]} if alphabet == "protein" else {"hashed_kmers": [6]}
    twin = make_model(objective=objective, sections=BRANCHES, alphabet=alphabet, **own)
    weights = {}
    group = "protein" if alphabet == "protein" else "nucleotides"
    for name, value in mixed.state_dict().items():
        for here, there in ((f"kmer_tables.{group}", "kmers"), (f"motifs.{alphabet}", "motif")):
            name = name.replace(f"shell.{here}.", f"shell.{there}.")
        weights[name.replace(f"shell.structures.{alphabet}.", "shell.structure.")] = value
    weights["shell.bytes.weight"] = mixed.shell.bytes.weight + mixed.shell.modality.weight[MODALITIES.index(alphabet)]
    twin.load_state_dict({name: weights[name] for name in twin.state_dict()})
    made = mixed_records(70, 33, kinds=[alphabet] * 2)
    batch = shown(mixed, make_batch(made, marks_of(made), modality=[alphabet] * 2))
    alone = shown(twin, make_batch(made, marks_of(made)))
    theirs = twin(**alone.inputs(), labels=labels_of(alone))
    for ours in (
        mixed(**batch.inputs(), labels=labels_of(batch)),
        mixed.read(alphabet)(**alone.inputs(), labels=labels_of(alone)),
    ):
        torch.testing.assert_close(ours.logits[alone.mask], theirs.logits[alone.mask], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(ours.loss, theirs.loss)


@pytest.mark.parametrize("alphabet", MODALITIES)
def test_weights_of_letters_at_letters_are_the_letters(make_mixed, alphabet) -> None:
    model = make_mixed(sections=BRANCHES).read(alphabet)
    (record,) = mixed_records(30, kinds=[alphabet])
    batch = make_batch([record], marks_of([record]))
    columns = torch.tensor([ord(letter) for letter in ALPHABETS[alphabet].columns])
    letters = (batch.ids[..., None] == columns).float().requires_grad_()
    mixed = model(**batch.inputs(), letters=letters).logits
    torch.testing.assert_close(mixed, model(**batch.inputs()).logits, atol=1e-5, rtol=1e-5)
    (gradient,) = torch.autograd.grad(mixed[0, -1, 65], letters)
    assert gradient[0, -1].any()


def test_a_loss_is_over_the_letters_of_each_records_own_alphabet(make_mixed) -> None:
    model = make_mixed()
    made = mixed_records(40, 30, 20, kinds=["protein", "rna", "dna"])
    batch = make_batch(made, marks_of(made), modality=["protein", "rna", "dna"])
    found = model(**batch.inputs(), labels=labels_of(batch))
    nats = []
    for row, (record, kind) in enumerate(zip(made, ("protein", "rna", "dna"), strict=True)):
        letters = ALPHABETS[kind].ids
        chances = found.logits[row][:, letters].log_softmax(-1)
        nats += [-chances[place, list(letters).index(x)] for place, x in enumerate(record) if x in letters]
    torch.testing.assert_close(found.loss, torch.stack(nats).mean())
    assert len(nats) < sum(map(len, made))


def test_weights_weigh_the_bytes_that_are_guessed(make_model) -> None:
    made, random = mixed_records(40, 30, kinds=["dna", "dna"]), np.random.default_rng(1)
    weights = [random.random(len(record)).astype(np.float32) for record in made]
    for objective in ("causal", "masked"):
        model = make_model(objective=objective)
        batch = shown(model, make_batch(made, marks_of(made), weights=weights))
        labels = labels_of(batch)
        found = model(**batch.inputs(), labels=labels, return_logits=False)
        nats = model.head.nats(found.hidden_states, labels)
        heavy = batch.weights[:, model.head.shift :] * (model.head.targets(labels) >= 0)
        torch.testing.assert_close(found.loss, (nats * heavy).sum() / heavy.sum())
        even = make_batch(made, marks_of(made), weights=[np.full(len(r), 3, np.float32) for r in made])
        plain = make_batch(made, marks_of(made))
        torch.testing.assert_close(
            model(**even.inputs(), labels=labels).loss, model(**plain.inputs(), labels=labels).loss
        )
        nothing = make_batch(made, marks_of(made), weights=[np.zeros(len(r), np.float32) for r in made])
        assert model(**nothing.inputs(), labels=labels).loss == 0


def test_no_logit_sees_a_later_byte(make_mixed, records) -> None:
    model, random = make_mixed(sections=BRANCHES, hashed_kmers=[6, 8]), np.random.default_rng(0)
    (record,) = records(60)
    assert largest_leak(model, record, [-1, 0, 1, 7, 30, 50], random) <= TOLERANCE


def test_one_mixed_batch_overfits(make_mixed) -> None:
    model = make_mixed(loud=False).train()
    made = mixed_records(48, 30, 40, kinds=["dna", "protein", "rna"])
    batch = make_batch(made, marks_of(made), modality=["dna", "protein", "rna"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.0)
    for _ in range(200):
        optimizer.zero_grad()
        loss = model(**batch.inputs(), labels=labels_of(batch), return_logits=False).loss
        if loss < 0.05:
            break
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    assert loss < 0.05


def test_a_folder_holds_a_patcher_for_each_alphabet(make_mixed, patcher, tmp_path) -> None:
    model = make_mixed()
    assert model.alphabet == "dna"
    save_model(model, tmp_path / "m")
    again, protein = load_model(tmp_path / "m"), load_model(tmp_path / "m", alphabet="protein")
    assert (again.alphabet, again.patcher.fingerprint) == ("dna", patcher.fingerprint)
    cut = protein.patcher.config
    assert (protein.alphabet, cut.alphabet, cut.stride) == ("protein", "protein", 3)
    (record,) = mixed_records(30, kinds=["protein"])
    batch = make_batch([record], marks_of([record]), modality=["protein"])
    plain = make_batch([record], marks_of([record]))
    with torch.no_grad():
        cases = ((model, batch), (again, batch), (protein, batch), (protein, plain))
        states = [one(**given.inputs()).hidden_states for one, given in cases]
        assert all(torch.equal(states[0], other) for other in states[1:])
        assert not torch.equal(again(**plain.inputs()).hidden_states, states[0])
    save_model(protein, tmp_path / "p")
    assert load_model(tmp_path / "p").alphabet == "protein"
    assert load_model(tmp_path / "p", alphabet="dna").patcher.fingerprint == patcher.fingerprint


@pytest.mark.parametrize("alphabet", MODALITIES)
def test_it_draws_the_letters_that_a_pass_over_all_bytes_finds_best(make_mixed, alphabet) -> None:
    model = make_mixed(sections=BRANCHES, hashed_kmers=[6], backbone={"long": "modal"}).read(alphabet)
    (prompt,) = mixed_records(20, kinds=[alphabet])
    (drawn,) = generate(model, prompt, 25, Sampling(temperature=0))
    whole, letters = np.r_[prompt, drawn], ALPHABETS[alphabet].ids
    with torch.no_grad():
        logits = model(**make_batch([whole], [model.patcher.marks(whole)]).inputs()).logits[0, len(prompt) : -1]
    assert drawn.tolist() == letters[logits[:, letters].argmax(-1)].tolist()
    assert len(set(drawn)) > 2


def test_what_does_not_go_together_is_refused(make_model, make_mixed, records) -> None:
    plain, mixed = make_model(), make_mixed()
    (record,) = records(20)
    told = make_batch([record], marks_of([record]), modality=["dna"])
    with pytest.raises(UsageError, match="reads dna alone: give no modality"):
        plain(**told.inputs())
    with pytest.raises(UsageError, match="come with their patch starts"):
        mixed(told.ids, modality=told.modality)
    with pytest.raises(UsageError, match="reads dna, not rna"):
        plain.read("rna")
    with pytest.raises(UsageError, match="alphabet 'mixed' is unknown"):
        mixed.read("mixed")
    with pytest.raises(UsageError, match="patches of mode entropy are cut by what the bytes are"):
        make_mixed(objective="masked").give_patchers({"dna": plain.patcher})
    with pytest.raises(UsageError, match="patchers for dna, not for rna: pretrain it with rna"):
        make_model(alphabet="mixed").read("rna")
    hashed, alone = make_model(hashed_kmers=[6]), make_batch([record], marks_of([record]))
    with pytest.raises(UsageError, match="hashed k-mers, which are of letters"):
        hashed(**alone.inputs(), letters=torch.ones(1, 21, 5) / 5)
    with pytest.raises(UsageError, match="are of one alphabet"):
        mixed(**told.inputs(), letters=torch.ones(1, 21, 5) / 5)
    with pytest.raises(UsageError, match="weights are of a language model's labels"):
        make_model("regression")(told.ids, weights=told.ids.float())
    with pytest.raises(UsageError, match=r"shell.hashed_kmers is \[6, 6\]"):
        make_model(hashed_kmers=[6, 6])
