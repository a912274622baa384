"""`snakemake --report` makes one page of a finished run, and opens no connection for it."""

import base64
import json
import subprocess

from small_repository import PROGRAM, RESULTS, environment

OFFLINE = """
import pathlib, socket


def refuse(*arguments, **options):
    pathlib.Path("tried-the-network").touch()
    raise OSError("this test has no network")


socket.socket.connect = socket.getaddrinfo = refuse
"""


def test_the_report_of_a_run_holds_its_pages_and_figures(local_run, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(OFFLINE)
    page = tmp_path / "page.html"
    offline = {**environment(), "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([*PROGRAM, "--report", page], cwd=local_run, env=offline, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not (local_run / "tried-the-network").exists()
    text = page.read_text()
    assert read(text, "categories") == {
        "Report": {
            "all models": [f"{RESULTS}/report/report.html"],
            "raw": [f"{RESULTS}/models/raw/report/report.html"],
            "tiny": [f"{RESULTS}/models/tiny/report/report.html"],
        },
        "Evaluation": {
            "raw": [f"{RESULTS}/models/raw/evaluate/at.json"],
            "tiny": [f"{RESULTS}/models/tiny/evaluate/{name}.json" for name in ("at", "language_model")],
        },
        "Variants": {
            "raw": [f"{RESULTS}/models/raw/score/listed.summary.json"],
            "tiny": [f"{RESULTS}/models/tiny/score/{name}.summary.json" for name in ("every", "parted")],
        },
        "Loci": {"tiny": [f"{RESULTS}/models/tiny/interpret/locus/summary.json"]},
        "Provenance": {"whole run": [f"{RESULTS}/run.json"]},
        "Regions": {"tiny": [f"{RESULTS}/models/tiny/interpret/set/summary.json"]},
    }
    results = read(text, "results")
    for name, result in results.items():
        held = base64.b64decode(result["data_uri"].partition("base64,")[2])
        assert held == (local_run / name).read_bytes()
        assert result["caption"]


def read(text, variable):
    """Return the JSON that a script of the page gives to a variable."""
    return json.JSONDecoder().raw_decode("{" + text.partition(f"var {variable} = {{")[2])[0]
