from genomelm.seq.assemblies import KNOWN, likely_assembly, plain_name


def test_a_contig_has_one_plain_name():
    assert {plain_name(n) for n in ("1", "chr1", "Chr1", "NC_000001.10", "NC_060925.1")} == {"1"}
    assert {plain_name(n) for n in ("M", "MT", "chrM", "chrMT", "NC_012920.1")} == {"M"}
    assert plain_name("NC_000023.11") == plain_name("NC_060947.1") == "X"
    assert plain_name("NC_000913.3") == "NC_000913.3"
    assert plain_name("chr") == "chr"


def test_lengths_name_the_assembly():
    for name, lengths in KNOWN.items():
        assert likely_assembly({f"chr{c}": n for c, n in lengths.items()}) == name
    assert likely_assembly({"1": 249250621}) == "GRCh37 (b37)"
    assert likely_assembly({"chrM": 16569}) is None
    assert likely_assembly({"z": 5}) is None
    assert likely_assembly({}, ["##reference=file:///x/hs37d5.fa"]) == "GRCh37 (b37)"
