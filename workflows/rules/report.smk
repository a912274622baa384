rule report_model:
    input:
        patching=lambda wildcards: (
            f"<results>/patch/{FLOW.models[wildcards.model].patches}/summary.json"
            if FLOW.models[wildcards.model].pretrained
            else []
        ),
        pretraining=lambda wildcards: (
            [
                f"<results>/models/{wildcards.model}/pretrain/metrics.json",
                f"<results>/models/{wildcards.model}/pretrain/log.jsonl",
                f"<results>/models/{wildcards.model}/evaluate/language_model.json",
            ]
            if FLOW.models[wildcards.model].pretrained
            else []
        ),
        tasks=lambda wildcards: expand(
            "<results>/models/{model}/evaluate/{task}.json",
            model=wildcards.model,
            task=FLOW.of_model("tasks", wildcards.model),
        ),
        scores=lambda wildcards: expand(
            "<results>/models/{model}/score/{name}.summary.json",
            model=wildcards.model,
            name=FLOW.of_model("scores", wildcards.model),
        ),
        loci=lambda wildcards: expand(
            "<results>/models/{model}/interpret/{locus}/summary.json",
            model=wildcards.model,
            locus=FLOW.of_model("interpret", wildcards.model),
        ),
        data=expand(
            "<results>/data/{name}.provenance.json", name=sorted(FLOW.data_names())
        ),
    output:
        html=report(
            "<results>/models/{model}/report/report.html",
            caption="../report/model.rst",
            category="Report",
            subcategory="{model}",
            labels={"report": "{model}"},
        ),
        json="<results>/models/{model}/report/report.json",
        summary="<results>/models/{model}/summary.json",
        text="<results>/models/{model}/summary.txt",
    log:
        "<logs>/{model}/report.log",
    benchmark:
        "<benchmarks>/{model}/report.tsv"
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: megabytes(
            2000 + records_scored(wildcards.model) / 1000, attempt
        ),
        runtime=lambda wildcards, attempt: minutes(
            60 + records_scored(wildcards.model) / 100_000, attempt
        ),
    params:
        model=lambda wildcards, output: Path(output.summary).parent,
        patching=lambda wildcards, input: (
            f"--patch-summary {input.patching}" if input.patching else ""
        ),
        data=lambda wildcards, input: (
            f"--data {Path(input.data[0]).parent}" if input.data else ""
        ),
        benchmarks=lambda wildcards: f"{FLOW.results}/benchmarks/{wildcards.model}",
        expect=lambda wildcards, input, output: [
            f"--expect {Path(path).relative_to(Path(output.summary).parent)}"
            for path in [*input.tasks, *input.scores, *input.loci]
        ],
    shell:
        "genomelm report {params.model} -o {output.html} --json {output.json} --summary {params.model} "
        "{params.patching} {params.data} --benchmarks {params.benchmarks} {params.expect} > {log} 2>&1"


rule report:
    input:
        pages=expand("<results>/models/{model}/report/report.json", model=FLOW.models),
        summaries=expand("<results>/models/{model}/summary.json", model=FLOW.models),
    output:
        html=report(
            "<results>/report/report.html",
            caption="../report/report.rst",
            category="Report",
            subcategory="all models",
            labels={"report": "all models"},
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
        mem_mb=lambda wildcards, attempt: megabytes(2000, attempt),
        runtime=lambda wildcards, attempt: minutes(60, attempt),
    params:
        models=lambda wildcards, input: [Path(path).parent for path in input.summaries],
        folder=lambda wildcards, output: Path(output.summary).parent,
    shell:
        "genomelm report --compare {params.models} -o {output.html} --json {output.json} --summary {params.folder} > {log} 2>&1"
