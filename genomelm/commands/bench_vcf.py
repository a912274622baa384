"""`genomelm bench vcf`: how fast VCF files are read and written, and in how much memory."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

BEGIN, END = "<!-- bench vcf: begin -->", "<!-- bench vcf: end -->"


def vcf(
    out: Annotated[Path | None, typer.Option("-o", "--out", help="JSON file to write.")] = None,
    records: Annotated[int, typer.Option("--records", min=100, help="Records of the timed file.")] = 100_000,
    samples: Annotated[int, typer.Option("--samples", min=0, help="Its samples.")] = 10,
    memory: Annotated[
        list[int] | None,
        typer.Option("--memory", min=1, help="Also measure peak memory at so many records of 500 samples; repeatable."),
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=3, help="Timings of each, of which the median counts.")] = 5,
    readme: Annotated[
        Path | None, typer.Option("--readme", help="Markdown file whose `bench vcf` table is written anew.")
    ] = None,
) -> None:
    """Annotate a generated VCF with a scorer that computes nothing; stop (exit 6) if an output is not its input."""
    from genomelm.bench.machine import machine
    from genomelm.bench.vcf_speed import peak_memory, vcf_speed
    from genomelm.files import write_json
    from genomelm.report.readme import replace_block

    with tempfile.TemporaryDirectory() as name:
        found = vcf_speed(Path(name), records, samples, repeats)
        found["memory"] = [
            {"records": count, "samples": 500, "peak_bytes": peak_memory(Path(name), count, 500)}
            for count in memory or []
        ]
    if out is not None:
        write_json(out, {"kind": "vcf speed", **found, "provenance": machine()})
    if readme is not None:
        replace_block(readme, BEGIN, END, "\n".join(table(found)))
    for line in table(found):
        print(line)


def table(found: dict) -> list[str]:
    """Return the figures as a Markdown table."""
    shapes = found["shapes"]
    lines = [
        f"| {shapes['samples']} samples, {shapes['bytes_a_record']:.0f} bytes a record | records/s | wanted |",
        "|---|---|---|",
    ]
    for speed in found["speeds"]:
        wanted = "" if speed["target_per_s"] is None else f"{speed['target_per_s']:,.0f}"
        lines.append(f"| {speed['name']} | {speed['positions_per_s']:,.0f} | {wanted} |")
    for peak in found["memory"]:
        what = f"peak memory, {peak['records']:,} records of {peak['samples']} samples"
        lines.append(f"| {what} | {peak['peak_bytes'] / 1e6:.0f} MB | |")
    return lines
