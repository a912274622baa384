"""The first pass finds what a plain reading finds, wherever the pieces of the file end."""

from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genomelm.scoring.survey import survey
from genomelm.scoring.tags import Tags
from genomelm.seq import bgzf
from genomelm.seq.vcf import VcfReader

HEADER = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
PLACES = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([1, 2, 3, 10**11])), max_size=9)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.one_of(PLACES, PLACES.map(sorted)), piece=st.sampled_from([1, 25, 40, 1 << 20]))
def test_counts_contigs_and_order_are_those_of_a_plain_reading(tmp_path, places, piece):
    path = tmp_path / "in.vcf"
    path.write_text(HEADER + "".join(f"{contig}\t{pos}\t.\tA\tC\t.\t.\t.\n" for contig, pos in places))
    with mock.patch.object(bgzf, "_PIECE", piece):
        found = survey(VcfReader(path), Tags.named("GLM_LLR", "GLM"), frozenset())
    contigs = list(dict.fromkeys(contig for contig, _ in places))
    assert found.records == len(places)
    assert found.contigs == tuple(contig.encode() for contig in contigs)
    assert found.is_sorted == (places == sorted(places, key=lambda place: (contigs.index(place[0]), place[1])))
    assert found.furthest == max((pos for _, pos in places), default=0)


@pytest.mark.parametrize("piece", [1, 30, 1 << 20])
@pytest.mark.parametrize(
    ("tail", "message"),
    [
        ("\n\n", None),
        ("\na\t1\t.\tA\tC\t.\t.\t.\n", ":4 is empty, but records follow"),
        ("a\t1\t.\tA\n", ":4 has 4 of 8 columns"),
        ("a\t1\t.\tA\tC\t.\t.", ":4 has 7 of 8 columns"),
        ("a\t1\t.\tA\tC\t.\t.\t.\tx\n", ":4 has 9 columns, but the header has 8"),
        ("##x\n", ":4 is a header line between records"),
    ],
)
def test_faults_are_named_by_line_wherever_the_pieces_end(tmp_path, monkeypatch, piece, tail, message):
    monkeypatch.setattr(bgzf, "_PIECE", piece)
    path = tmp_path / "in.vcf"
    path.write_text(HEADER + "a\t1\t.\tA\tC\t.\t.\t.\n" + tail)
    reader = VcfReader(path)
    if message is None:
        assert [number for number, _ in reader.records()] == [3]
        return
    with pytest.raises(ValueError, match=message):
        list(reader.records())
