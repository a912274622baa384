import json
import shlex


# Reads Snakemake's own records in the working directory, so it runs where Snakemake runs.
localrules:
    provenance,


rule provenance:
    input:
        report="<results>/report/report.html",
        summary="<results>/summary.json",
        models=expand("<results>/models/{model}/report/report.html", model=FLOW.models),
    output:
        report(
            "<results>/run.json",
            caption="../report/provenance.rst",
            category="Provenance",
            subcategory="whole run",
            labels={"record": "versions, config, jobs, digests"},
        ),
    log:
        "<logs>/provenance.log",
    benchmark:
        "<benchmarks>/provenance.tsv"
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=240,
    params:
        config=shlex.quote(json.dumps(config)),
        root=ROOT,
    shell:
        "printf %s {params.config} | genomelm record {input} --workflow {params.root:q} -o {output} > {log} 2>&1"
