"""Names of changes, made in a sequence and read back."""

import pytest

from genomelm.seq.genome import Genome
from genomelm.seq.variant_names import variant_of

PROTEIN = "MAGKTLLWYDERAAAK"


@pytest.fixture
def genome(tmp_path) -> Genome:
    path = tmp_path / "p.fa"
    path.write_text(f">p\n{PROTEIN}\n>r\nACGTTTGACA\n")
    return Genome(path, any_letters=True)


def made(genome: Genome, name: str, contig: str = "p", alphabet: str = "protein") -> str:
    """Return the sequence that a name makes, or its status."""
    found = variant_of(name, contig, genome, alphabet)
    if isinstance(found, str):
        return found
    whole = {"p": PROTEIN, "r": "ACGUUUGACA"}[contig]
    assert whole[found.pos - 1 :].startswith(found.ref)
    assert found.ref
    assert found.alt
    return whole[: found.pos - 1] + found.alt + whole[found.pos - 1 + len(found.ref) :]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        *((name, "MVGKTLLWYDERAAAK") for name in ("A2V", "p.A2V", "p.Ala2Val", "p.(Ala2Val)", "ala2val")),
        ("M1V", "VAGKTLLWYDERAAAK"),
        ("p.Lys4del", "MAGTLLWYDERAAAK"),
        ("p.Met1del", "AGKTLLWYDERAAAK"),
        ("p.Lys4_Leu6del", "MAGLWYDERAAAK"),
        ("K4_T5insWW", "MAGKWWTLLWYDERAAAK"),
        ("p.Lys4_Thr5insTrpTrp", "MAGKWWTLLWYDERAAAK"),
        ("p.Lys4_Leu6delinsGlnGly", "MAGQGLWYDERAAAK"),
        ("p.Lys4delinsGlnGly", "MAGQGTLLWYDERAAAK"),
        ("p.Ala13dup", "MAGKTLLWYDERAAAAK"),
        ("p.Asp10_Arg12dup", "MAGKTLLWYDERDERAAAK"),
        *((f"G3_K4ins{run}", f"MAG{run}KTLLWYDERAAAK") for run in ("VAL", "META", "FS", "TER", "INV", "EXT", "CON")),
        ("G3_K4insval", "MAGVALKTLLWYDERAAAK"),
        ("G3_K4insVal", "MAGVKTLLWYDERAAAK"),
        ("G3_K4delinsASN", "MAASNTLLWYDERAAAK"),
        ("G3_K4delinsAsn", "MANTLLWYDERAAAK"),
        *((name, "MAGVKTLLWYDERAAAK") for name in ("p.Gly3_Lys4insVal", "GLY3_LYS4insVAL", "gly3_lys4insval")),
        ("p.Gly3_Lys4insMetGluThrAla", "MAGMETAKTLLWYDERAAAK"),
        ("Gly3_Lys4insW", "MAGWKTLLWYDERAAAK"),
        ("A2V:K4R", "MVGRTLLWYDERAAAK"),
        ("K4R,A2V", "MVGRTLLWYDERAAAK"),
    ],
)
def test_a_change_of_a_protein_is_made(genome, name, wanted):
    assert made(genome, name) == wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        *((name, "ACUUUUGACA") for name in ("G3T", "G3U", "r.3g>u", "n.3G>T", "3G>U")),
        ("r.4_6del", "ACGGACA"),
        ("4_6delUUU", "ACGGACA"),
        ("r.3_4insaa", "ACGAAUUUGACA"),
        ("r.8_9dup", "ACGUUUGACACA"),
        ("r.1_2delinsgg", "GGGUUUGACA"),
    ],
)
def test_a_change_of_a_transcript_is_made(genome, name, wanted):
    assert made(genome, name, "r", "rna") == wanted


@pytest.mark.parametrize(
    ("name", "status"),
    [
        *(
            ("p.Trp8Ter", "UNSUPPORTED"),
            ("W8*", "UNSUPPORTED"),
            ("p.Lys4fs", "UNSUPPORTED"),
            ("p.Met1?", "UNSUPPORTED"),
        ),
        *(("p.Arg97ProfsTer23", "UNSUPPORTED"), ("c.76A>T", "UNSUPPORTED"), ("M1_K16del", "UNSUPPORTED")),
        *((name, "UNSUPPORTED") for name in ("K4FS", "p.LYS4FS", "G3_K4insWTer", "GLY3_LYS4insTRPTER", "TRP8TER")),
        *((name, "UNREADABLE") for name in ("G3_K4insSec", "p.Gly3_Lys4insSec", "GLY3_LYS4insMETA", "G3_K4insValVA")),
        *(("A3V", "REF_MISMATCH"), ("p.Lys4_Lys6del", "REF_MISMATCH"), ("A2V:K5R", "REF_MISMATCH")),
        *(("A99V", "POS_OUT_OF_RANGE"), ("A0V", "POS_OUT_OF_RANGE"), ("K4_T99del", "POS_OUT_OF_RANGE")),
        *(("p.Ala2=", "SAME_AS_REF"), ("A2A", "SAME_AS_REF")),
        *(("", "UNREADABLE"), ("hello", "UNREADABLE"), ("K4_L6insW", "UNREADABLE"), ("A2V:A2G", "UNREADABLE")),
    ],
)
def test_a_name_without_a_sequence_has_a_status(genome, name, status):
    assert made(genome, name) == status
