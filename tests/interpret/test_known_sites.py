"""Known sites are found by their letters, counted when they are not, and tested over many regions."""

import gzip

import numpy as np
import pytest

from genomelm.errors import InputError
from genomelm.interpret import known_sites
from genomelm.interpret.regions import Region
from genomelm.seq.alphabet import reverse_complement

HEADER = "contig\tstart\tend\tstrand\tname\tsequence\n"
LETTERS = "".join(np.random.default_rng(2).choice(list("ACGT"), 400))
REGIONS = (Region("r0001", "c", 1000, 1200), Region("r0002", "c", 1200, 1400, "-"))
SEQUENCES = (LETTERS[:200], reverse_complement(LETTERS[200:]))


def read(tmp_path, text, name="sites.tsv"):
    path = tmp_path / name
    path.write_text(text)
    return known_sites.read_known_sites(path)


def row(start, end, strand="+", sequence=None, name="site"):
    text = LETTERS[start - 1000 : end - 1000] if sequence is None else sequence
    return f"c\t{start}\t{end}\t{strand}\t{name}\t{reverse_complement(text) if strand == '-' else text}\n"


def located(tmp_path, text):
    return known_sites.locate(read(tmp_path, HEADER + text), REGIONS, SEQUENCES)


def test_sites_of_both_strands_stand_where_their_letters_do(tmp_path):
    found = located(tmp_path, row(1020, 1035) + row(1050, 1065, "-") + row(1300, 1316))
    assert found.counts["at_place"] == 3
    assert [(s.start, s.end) for s in found.by_region[0]] == [(20, 35), (50, 65)]
    (site,) = found.by_region[1]  # 1300-1316 of 1200-1400, read backwards
    assert (site.start, site.end, site.sequence) == (84, 100, reverse_complement(LETTERS[300:316]))


def test_a_site_of_another_release_is_found_near_its_coordinates(tmp_path):
    moved = row(1020, 1035, sequence=LETTERS[32:47])
    found = located(
        tmp_path, moved + row(1020, 1035, sequence="ACGTTGCAACGGGTA", name="lost") + row(90, 110, sequence="A" * 20)
    )
    assert [(s.start, s.end) for s in found.by_region[0]] == [(32, 47)]
    expected = {"given": 3, "at_place": 0, "nearby": 1, "not_found": 1, "partly": 0, "outside": 1, "short": 0}
    assert found.counts == expected


def test_a_contig_may_be_spelt_otherwise_than_the_regions(tmp_path):
    regions = tuple(Region(f"r{n}", "chr2", 1000 + 200 * n, 1200 + 200 * n) for n in range(2))
    letters = (LETTERS[:200], LETTERS[200:])
    known = read(tmp_path, HEADER + row(1020, 1035).replace("c\t", "2\t", 1))
    assert known_sites.locate(known, regions, letters).counts["at_place"] == 1
    both = (Region("r1", "chr2", 1000, 1200), Region("r2", "2", 1000, 1200))
    found = known_sites.locate(known, both, (LETTERS[:200],) * 2)
    assert [len(sites) for sites in found.by_region] == [0, 1]


def test_sites_of_no_contig_of_the_regions_are_said_to_be_of_another_genome(tmp_path, caplog):
    known = read(tmp_path, HEADER + row(1020, 1035).replace("c\t", "plasmid\t", 1))
    found = known_sites.locate(known, REGIONS, SEQUENCES)
    message = "no site's contig (plasmid) is one that regions lie on (c)"
    assert message in caplog.text
    assert message in known_sites.check(found, np.ones((2, 200)))["reason"]
    assert found.counts["outside"] == 1


def test_two_factors_at_one_place_are_both_kept(tmp_path):
    found = located(tmp_path, row(1020, 1035, name="CRP") + row(1020, 1035, name="FNR") + row(1020, 1035, name="CRP"))
    assert [(s.name, s.start) for s in found.by_region[0]] == [("CRP", 20), ("FNR", 20)]


def test_a_site_over_a_regions_end_is_not_outside(tmp_path):
    over = f"c\t990\t1010\t+\tx\t{'A' * 20}\n" + "c\t1390\t1410\t+\ty\t\n" + "c\t1410\t1430\t+\tz\t\n"
    counts = located(tmp_path, over).counts
    assert (counts["partly"], counts["outside"], counts["not_found"]) == (2, 1, 0)


def test_one_that_is_too_far_from_its_coordinates_is_not_found(tmp_path):
    far = row(1020, 1035, sequence=LETTERS[120:135])
    assert located(tmp_path, far).counts["not_found"] == 1


def test_capitals_are_the_site_and_small_letters_its_surroundings(tmp_path):
    text = LETTERS[10:20].lower() + LETTERS[20:35] + LETTERS[35:45].lower()
    found = located(tmp_path, f"c\t1020\t1035\t+\tsite\t{text}\n")
    assert found.counts["at_place"] == 1
    assert found.by_region[0][0].sequence == LETTERS[20:35]


def test_a_fasta_file_of_sites_is_sought_everywhere(tmp_path):
    path = tmp_path / "sites.fa.gz"
    text = f"# from a database\n>one caiFp -41.5\n{LETTERS[60:82]}\n>two\n{reverse_complement(LETTERS[310:330])}\n"
    path.write_bytes(gzip.compress((text + ">three\nACGTACG\n>four\nGGGGGGGGGGGGGGGGG\n").encode()))
    found = known_sites.locate(known_sites.read_known_sites(path), REGIONS, SEQUENCES)
    assert [s.name for row in found.by_region for s in row] == ["one", "two"]
    assert (found.counts["nearby"], found.counts["short"], found.counts["outside"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("contig\tstart\tend\tname\tsequence\nc\t1\t2\tx\tA\n", "column 'strand' is missing"),
        (HEADER + "c\tx\t2\t+\tn\tA\n", "sites.tsv:2: start 'x'"),
        (HEADER + "c\t5\t5\t+\tn\tA\n", "5-5 is empty"),
        (HEADER + "c\t1\t5\tforward\tn\tA\n", "strand 'forward' is unknown"),
        (HEADER + "c 1 5\n", "1 columns where the header has 6"),
        (HEADER, "a header and no site"),
        ("", "holds no site"),
        (">one\n>two\nACGT\n", "site one has no letters"),
    ],
)
def test_a_wrong_file_is_refused_with_the_line_and_the_fix(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def maps_with_sites(strength, loci=40, length=120):
    rng = np.random.default_rng(3)
    importance = rng.gamma(1.0, size=(loci, length))
    regions, sequences, text = [], [], HEADER
    for number in range(loci):
        letters = "".join(rng.choice(list("ACGT"), length))
        start = int(rng.integers(0, length - 16))
        importance[number, start : start + 16] *= strength
        regions.append(Region(f"r{number + 1:04}", "c", number * 1000, number * 1000 + length))
        sequences.append(letters)
        a = number * 1000 + start
        text += f"c\t{a}\t{a + 16}\t+\tx\t{letters[start : start + 16]}\n"
    return importance, regions, sequences, text


def test_concentrated_importance_passes_with_an_interval(tmp_path):
    importance, regions, sequences, text = maps_with_sites(4.0)
    found = known_sites.check(known_sites.locate(read(tmp_path, text), regions, sequences), importance)
    assert found["smallest_p"] < 0.001
    assert found["p"] == found["smallest_p"]
    assert found["low"] < found["inside_over_outside"] < found["high"]
    assert found["low"] > 2
    assert found["auprc"] > 2 * found["share_inside"]


def test_importance_elsewhere_does_not_pass(tmp_path):
    importance, regions, sequences, text = maps_with_sites(1.0)
    found = known_sites.check(known_sites.locate(read(tmp_path, text), regions, sequences), importance)
    assert found["p"] > 0.01
    assert found["low"] < 1 < found["high"]


def test_an_altered_site_file_loses_the_signal(tmp_path):
    importance, regions, sequences, text = maps_with_sites(4.0)
    lines = text.splitlines()[1:]
    moved = []
    for line in lines:  # each site 60 bases further round its region, with the letters that stand there
        contig, start, _, strand, name, _ = line.split("\t")
        number, offset = divmod(int(start), 1000)
        offset = (offset + 60) % 104
        moved.append(f"{contig}\t{number * 1000 + offset}\t{number * 1000 + offset + 16}\t{strand}\t{name}\t\n")
    found = known_sites.check(
        known_sites.locate(read(tmp_path, HEADER + "".join(moved)), regions, sequences), importance
    )
    assert found["loci"] == 40
    assert found["p"] > 0.05
    letters = HEADER + "".join(line.rsplit("\t", 1)[0] + "\t" + "ACGTACGTACGTACGT\n" for line in lines)
    none = known_sites.check(known_sites.locate(read(tmp_path, letters), regions, sequences), importance)
    assert none["reason"].startswith("not run")
    assert none["located"]["not_found"] == 40


def test_two_loci_cannot_give_a_small_p(tmp_path):
    importance, regions, sequences, text = maps_with_sites(8.0, loci=2, length=30)
    found = known_sites.check(known_sites.locate(read(tmp_path, text), regions, sequences), importance)
    assert found["smallest_p"] == pytest.approx(1 / 900)
    assert found["illustration"]
    assert found["p"] >= found["smallest_p"]
