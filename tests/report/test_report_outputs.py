"""A scored file of a model with several outputs is shown output by output."""

import json

import pytest

from genomelm.report import sections
from genomelm.report.inputs import read


def test_each_output_has_its_own_distribution_and_largest_scores(tmp_path):
    folder = tmp_path / "score"
    folder.mkdir()
    rows = "".join(f"c\t{n}\t.\tA\tC\tOK\t{n / 10}\t{-n}\n" for n in range(1, 31))
    (folder / "v.tsv").write_text("contig\tpos\tid\tref\talt\tstatus\tGLM_T_a\tGLM_T_b\n" + rows)
    told = {"records_in": 30, "records_out": 30, "statuses": {"OK": 30}, "outputs": ["GLM_T_a", "GLM_T_b"]}
    (folder / "v.summary.json").write_text(json.dumps(told))
    found = sections.variants(read(tmp_path), 2)
    assert [one["name"] for one in found] == ["v: GLM_T_a", "v: GLM_T_b"]
    assert [row["score"] for one in found for row in one["top"]] == [3.0, 2.9, -30.0, -29.0]
    assert found[0]["distribution"]["mean"] == pytest.approx(1.55)
