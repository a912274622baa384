rule report:
    input:
        "<results>/patch/summary.json",
        "<results>/pretrain/metrics.json",
        "<results>/pretrain/log.jsonl",
        "<results>/evaluate/language_model.json",
        expand("<results>/evaluate/{task}.json", task=FLOW.tasks),
        expand("<results>/score/{name}.summary.json", name=FLOW.scores),
        expand("<results>/interpret/{locus}/summary.json", locus=FLOW.interpret),
        expand("<results>/data/{name}.provenance.json", name=sorted(FLOW.data_names())),
    output:
        html=report(
            "<results>/report/report.html",
            caption="../report/report.rst",
            category="Report",
        ),
        json="<results>/report/report.json",
        summary="<results>/summary.json",
        text="<results>/summary.txt",
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        folder=lambda wildcards, output: Path(output.summary).parent,
    shell:
        "genomelm report {params.folder} -o {output.html} --json {output.json} > {log} 2>&1"
