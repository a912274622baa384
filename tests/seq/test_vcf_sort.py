"""Sorting keeps every line, and the order of records at one place; with room for a few lines or for all."""

import random

import pytest

from genomelm.seq import vcf_sort
from genomelm.seq.vcf import VcfReader

HEADER = "##fileformat=VCFv4.2\n##contig=<ID=b>\n##contig=<ID=a>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


@pytest.mark.parametrize("room", [1, 300, 1 << 20])
def test_lines_are_sorted_by_the_header_then_by_appearance_and_kept_as_they_were(tmp_path, monkeypatch, room):
    monkeypatch.setattr(vcf_sort, "RUN_BYTES", room)
    draw = random.Random(1)
    rows = [(draw.choice(["a", "b", "z", "y"]), draw.randrange(1, 30), f"r{n} x") for n in range(200)]
    path, target = tmp_path / "in.vcf", tmp_path / "out.vcf"
    path.write_text(HEADER + "".join(f"{c}\t{p}\t{name}\tA\tC\t.\t.\tK=\u00e9\n" for c, p, name in rows))
    vcf_sort.sort_vcf(VcfReader(path), target, tmp_path)
    found = [line.split("\t") for line in target.read_text().removeprefix(HEADER).splitlines()]
    later = [c for c in dict.fromkeys(c for c, _, _ in rows) if c in "zy"]
    expected = sorted(rows, key=lambda row: (["b", "a", *later].index(row[0]), row[1]))  # stable
    assert [(c, int(p), name) for c, p, name, *_ in found] == expected
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.vcf", "out.vcf"]
