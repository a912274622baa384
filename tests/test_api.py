"""The Python interface: shapes, units, and that it agrees with itself."""

import subprocess
import sys

import numpy as np
import pytest

import genomelm
from genomelm.errors import InputError, UsageError
from genomelm.models import HyenaGLTConfig, HyenaGLTForCausalLM
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant

SEQUENCES = ["ACGTTGACATATAATGCAGG", "GATTACANNGATTACA", "A"]


@pytest.fixture(scope="module")
def model(language_model_dir):
    return genomelm.load_model(language_model_dir, "cpu")


def language_model_of(alphabet: str, patcher) -> HyenaGLTForCausalLM:
    """Return a small causal model of an alphabet, with k-mers that fit it."""
    shell = {"alphabet": alphabet, "local_width": 16, "local_heads": 2, "width": 16, "kmers": [2]}
    return HyenaGLTForCausalLM(HyenaGLTConfig(shell=shell, backbone={"layers": 1, "hidden": 16}), patcher).eval()


def test_importing_the_package_is_free_of_torch():
    code = "import sys, genomelm; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"]


def test_every_name_exists_and_others_do_not():
    for name in genomelm.__all__:
        assert callable(getattr(genomelm, name))
    with pytest.raises(AttributeError, match="nothing"):
        _ = genomelm.nothing


def test_encode_and_decode_are_inverse():
    assert genomelm.decode(genomelm.encode("ACGTN")) == "ACGTN"


def test_base_logits_add_up_to_the_log_likelihood(model):
    found = genomelm.base_logits(model, SEQUENCES)
    assert [f.shape for f in found] == [(len(s), 5) for s in SEQUENCES]
    assert found[0].dtype == np.float32
    total = genomelm.log_likelihood(model, SEQUENCES)
    assert total.shape == (3,)
    letters = found[0][:-1, :4].astype(float)  # row i predicts base i + 1
    log_p = letters - np.log(np.exp(letters).sum(1, keepdims=True))
    rest = sum(log_p[i, "ACGT".index(base)] for i, base in enumerate(SEQUENCES[0][1:]))
    assert rest + genomelm.log_likelihood(model, [SEQUENCES[0][:1]])[0] == pytest.approx(total[0], abs=1e-4)


def test_embeddings_are_means_of_base_states(model):
    states = genomelm.embed(model, SEQUENCES, per_base=True)
    assert [s.shape for s in states] == [(len(s), 16) for s in SEQUENCES]
    assert np.allclose(genomelm.embed(model, SEQUENCES), [s.mean(0) for s in states], atol=1e-6)


def test_predict_needs_a_task_head(model, task_models):
    assert genomelm.predict(task_models[0], SEQUENCES).shape == (3, 1)
    for refused in (
        lambda: genomelm.predict(model, SEQUENCES),
        lambda: genomelm.base_logits(task_models[0], SEQUENCES),
    ):
        with pytest.raises(UsageError, match="language model"):
            refused()
    with pytest.raises(UsageError, match="list"):
        genomelm.log_likelihood(model, "ACGT")


def test_segments_start_at_zero(model):
    found = genomelm.segment(SEQUENCES, model.patcher)
    assert [starts[0] for starts in found] == [0, 0, 0]
    assert all((np.diff(starts) > 0).all() for starts in found)


def test_score_variants_takes_a_vcf_or_variants(model, tiny_fasta, tmp_path):
    with Genome(tiny_fasta) as genome:
        bases = genome.fetch(Interval("c1", 500, 502))
    alts = [letter for letter in "ACGT" if letter != bases[0]]
    listed = [("c1", 501, bases[0], alts[0]), Variant("c1", 501, bases[0], alts[1]), ("c1", 501, bases[0], "<DEL>")]
    table = genomelm.score_variants(model, tiny_fasta, listed, width=64)
    assert table.columns.tolist() == ["contig", "pos", "ref", "alt", "score", "status"]
    assert table.status.tolist() == ["OK", "OK", "SYMBOLIC"]
    assert table.score.isna().tolist() == [False, False, True]
    path = tmp_path / "v.vcf"
    header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    path.write_text(
        f"{header}c1\t501\t.\t{bases[0]}\t{alts[0]},{alts[1]},<DEL>\t.\t.\t.\nc1\t502\t.\t{bases[1]}\t.\t.\t.\t.\n"
    )
    from_vcf = genomelm.score_variants(model, tiny_fasta, path, width=64)
    assert from_vcf.equals(table)


def test_saturation_flips_with_the_strand(task_models, tiny_fasta):
    window = Interval("c1", 300, 330, "-")
    forward = genomelm.saturate(task_models[0], tiny_fasta, "c1:301-330", window=window)
    reverse = genomelm.saturate(task_models[0], tiny_fasta, "c1:301-330:-", window=window)
    assert forward.shape == (30, 4)
    assert (forward[::-1, ::-1] == reverse).all()
    assert ((forward == 0).sum(1) == 1).all()
    with Genome(tiny_fasta) as genome:
        attributed = genomelm.attribute(task_models[0], [genome.fetch(window)])[0]
    assert np.abs(attributed - reverse).max() < 1e-5
    with pytest.raises(UsageError, match="choose ism"):
        genomelm.attribute(task_models[0], ["ACGT"], method="guess")


def test_masked_models_have_likelihoods_and_no_predictions(masked_model):
    assert genomelm.log_likelihood(masked_model, SEQUENCES).shape == (3,)
    assert [f.shape for f in genomelm.base_logits(masked_model, SEQUENCES)] == [(len(s), 5) for s in SEQUENCES]
    assert genomelm.embed(masked_model, SEQUENCES).shape == (3, 16)
    with pytest.raises(UsageError, match="language model"):
        genomelm.predict(masked_model, SEQUENCES)


@pytest.mark.parametrize(
    ("alphabet", "sequence", "letters"), [("rna", "GGCUANCGAUUC", 4), ("protein", "MKVLAAGIXG", 20)]
)
def test_rna_and_protein_models_read_their_own_letters(alphabet, sequence, letters, stride_patcher):
    model = language_model_of(alphabet, stride_patcher)
    logits = genomelm.base_logits(model, [sequence])[0]
    assert logits.shape == (len(sequence), letters + 1)
    effects = genomelm.attribute(model, [sequence])[0]
    assert effects.shape == (len(sequence), letters)
    unknown = {"rna": "N", "protein": "X"}[alphabet]
    assert ((effects != 0).sum(1) == [0 if letter == unknown else letters - 1 for letter in sequence]).all()
    if alphabet == "rna":
        assert (genomelm.base_logits(model, [sequence.replace("U", "T").lower()])[0] == logits).all()
        assert (genomelm.attribute(model, [sequence.replace("U", "T")])[0] == effects).all()


def test_a_sequence_of_another_alphabet_is_refused_by_name(model, stride_patcher):
    protein = "MKVLAAGIVGLPNVGKSTLF"
    for function in (genomelm.log_likelihood, genomelm.base_logits, genomelm.embed, genomelm.attribute):
        with pytest.raises(InputError, match=r"sequence 1: 13 of 20 letters are not dna .*is it protein\?"):
            function(model, [SEQUENCES[0], protein])
    with pytest.raises(InputError, match="all 20 letters are nucleotides"):
        genomelm.log_likelihood(language_model_of("protein", stride_patcher), [SEQUENCES[0]])
