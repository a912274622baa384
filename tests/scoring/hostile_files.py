"""VCF files that are whole, but hold whatever a VCF can hold."""

import random

from hypothesis import strategies as st

BASES = "".join(random.Random(4).choices("ACGT", k=400))
ALLELE = st.one_of(
    st.text("ACGTacgtN", min_size=1, max_size=6),
    st.sampled_from(["<DEL>", "*", "<NON_REF>", "<*>", "A[x:1[", ".A", "R", "", "<INS:ME>"]),
)
TEXT = st.text(st.characters(exclude_characters="\t\n\r", exclude_categories=["Cs"]), max_size=8)


@st.composite
def data_lines(draw, samples: int):
    pos = draw(st.integers(0, 410))
    true_ref = BASES[pos - 1 : pos + draw(st.integers(0, 3))] if pos else ""
    ref = draw(st.one_of(st.just(true_ref or "A"), ALLELE))
    alt = draw(st.one_of(st.just("."), st.lists(ALLELE, min_size=1, max_size=3).map(",".join)))
    tags = ["AC=1", "DB", "X=a,b", "BAD=%3B", "PC=50%", "GLMX=1", "=;", "DB;", "", "LONG=" + "x" * 70_000]
    info = draw(st.one_of(st.just("."), st.lists(st.sampled_from(tags), min_size=1).map(";".join)))
    contig = draw(st.sampled_from(["c", "chrc", "other", "\u00fc", "c" * 30]))
    quality = draw(st.sampled_from(["29.123456", ".", "1e-10", "100"]))
    columns = [contig, str(pos), draw(TEXT), ref, alt, quality, draw(TEXT), info]
    return "\t".join([*columns, *(draw(TEXT) for _ in range(samples))])


@st.composite
def files(draw):
    samples = draw(st.sampled_from([0, 3]))
    columns = "\t".join(
        ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", *["FORMAT", "s1", "s2"][:samples]]
    )
    header = draw(
        st.lists(st.sampled_from(["##x=<b", "##INFO=<ID=AC>", "##contig=<ID=c>", '##y=<ID="a,b">', "##\u00e9"]))
    )
    records = draw(st.lists(data_lines(samples), max_size=12))
    records += records[: draw(st.integers(0, 3))]  # duplicates, out of order
    end = draw(st.sampled_from(["\n", "\r\n"]))
    text = "".join(line + end for line in ["##fileformat=VCFv4.2", *header, columns, *records])
    if records and draw(st.booleans()):
        text = text.removesuffix(end)  # complete columns without a final newline
    return text.encode("latin-1", "replace") if draw(st.booleans()) else text.encode()
