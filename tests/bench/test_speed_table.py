import json
from pathlib import Path

import pytest

from genomelm.bench.speed_table import BEGIN, END, read_runs, table
from genomelm.commands.bench_speeds import speeds
from genomelm.errors import InputError

ROW = {
    "device": "NVIDIA H100 80GB HBM3", "torch": "2.0", "dtype": "bfloat16", "compiled": True, "name": "training",
    "median_s": 0.5, "positions_per_s": 4e6, "timings": 5, "peak_bytes": 3 << 30,
}  # fmt: skip
MODEL = {
    "kind": "model speed",
    "model": "small.yaml",
    "rows": [
        {**ROW, "model": "model", "batch": 2, "length": 1000, "mean_patch": 8, "estimate": {"peak_bytes": 4 << 30}},
        {**ROW, "model": "peer", "batch": 2, "length": 1000, "mean_patch": 1, "out_of_memory": True},
    ],
    "ratios": {"training": {"scaling": {"dense attention": {"1024": 1.0, "65536": 21.69}}}, "forward": {}},
}
OPERATOR = {
    "kind": "operator speed",
    "rows": [{**ROW, "operator": "S5", "positions": 64, "path": "chunks", "error": 2e-5, "peak_bytes": None}],
}


def test_a_table_says_what_ran_and_what_did_not_fit(tmp_path: Path) -> None:
    for name, run in (("model", MODEL), ("operator", OPERATOR)):
        (tmp_path / f"{name}.json").write_text(json.dumps(run))
    (tmp_path / "page.md").write_text(f"before\n{BEGIN}\noutdated\n{END}\nafter\n")
    files = [tmp_path / "model.json", tmp_path / "operator.json"]
    speeds(files, tmp_path / "out.json", tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert "| small | 2 x 1,000 | 8 | H100 | bfloat16, compiled | training | 4.00 | 3.0 | 4.0 |" in page
    assert "| peer | 2 x 1,000 | 1 | H100 | bfloat16, compiled | does not fit |" in page
    assert "| dense attention | H100 | training | 1,024: 1.00, 65,536: 21.69 |" in page
    assert "| S5 | 64 | H100 | bfloat16, compiled | chunks | training | 500.00 | 4.0 |  | 2e-05 |" in page
    assert "NVIDIA H100 80GB HBM3, torch 2.0." in page
    assert "outdated" not in page
    assert json.loads((tmp_path / "out.json").read_text())["runs"] == [MODEL, OPERATOR]
    assert table([OPERATOR]).startswith("| operator")


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(InputError, match=r"x\.json holds no rows"):
        read_runs([tmp_path / "x.json"])
