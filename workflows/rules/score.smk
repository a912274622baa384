SATURATED = [name for name, score in FLOW.scores.items() if score.saturate]
LISTED = [name for name, score in FLOW.scores.items() if score.variants]


rule score_variants:
    input:
        vcf=lambda wildcards: f"<results>/data/{FLOW.scores[wildcards.name].variants}",
        tbi=lambda wildcards: f"<results>/data/{FLOW.scores[wildcards.name].variants}.tbi",
        genome=lambda wildcards: f"<results>/data/{FLOW.scores[wildcards.name].genome}",
        index=lambda wildcards: f"<results>/data/{FLOW.scores[wildcards.name].genome}.fai",
        regions=lambda wildcards: (
            f"<results>/data/{FLOW.scores[wildcards.name].regions}"
            if FLOW.scores[wildcards.name].regions
            else []
        ),
        model=lambda wildcards: model_files(
            FLOW.runs(wildcards.model, FLOW.scores[wildcards.name].task)[:1]
        ),
    output:
        vcf="<results>/models/{model}/score/{name}.vcf.gz",
        tbi="<results>/models/{model}/score/{name}.vcf.gz.tbi",
        table="<results>/models/{model}/score/{name}.tsv",
        summary=report(
            "<results>/models/{model}/score/{name}.summary.json",
            caption="../report/score.rst",
            category="Variants",
            subcategory="{model}",
            labels={"model": "{model}", "variants": "{name}"},
        ),
    log:
        "<logs>/{model}/score/{name}.log",
    benchmark:
        "<benchmarks>/{model}/score/{name}.tsv"
    wildcard_constraints:
        name=any_of(LISTED),
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        **GPU,
        mem_mb=4000,
        runtime=480,
    params:
        model=lambda wildcards, input: Path(input.model[0]).parent,
        regions=lambda wildcards, input: (
            f"--regions {input.regions}" if input.regions else ""
        ),
        window=lambda wildcards: (
            f"--window {FLOW.scores[wildcards.name].window}"
            if FLOW.scores[wildcards.name].window
            else ""
        ),
        device=FLOW.device,
    shell:
        "genomelm score {input.vcf} -r {input.genome} -m {params.model} -o {output.vcf} --table {output.table} "
        "--summary {output.summary} {params.regions} {params.window} --device {params.device} "
        "--threads {threads} > {log} 2>&1"


rule score_saturation:
    input:
        genome=lambda wildcards: f"<results>/data/{FLOW.scores[wildcards.name].genome}",
        index=lambda wildcards: f"<results>/data/{FLOW.scores[wildcards.name].genome}.fai",
        model=lambda wildcards: model_files(
            FLOW.runs(wildcards.model, FLOW.scores[wildcards.name].task)[:1]
        ),
    output:
        vcf="<results>/models/{model}/score/{name}.vcf.gz",
        tbi="<results>/models/{model}/score/{name}.vcf.gz.tbi",
        table="<results>/models/{model}/score/{name}.tsv",
        summary=report(
            "<results>/models/{model}/score/{name}.summary.json",
            caption="../report/score.rst",
            category="Variants",
            subcategory="{model}",
            labels={"model": "{model}", "variants": "{name}"},
        ),
    log:
        "<logs>/{model}/score/{name}.log",
    benchmark:
        "<benchmarks>/{model}/score/{name}.tsv"
    wildcard_constraints:
        name=any_of(SATURATED),
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        **GPU,
        mem_mb=4000,
        runtime=480,
    params:
        model=lambda wildcards, input: Path(input.model[0]).parent,
        interval=lambda wildcards: FLOW.scores[wildcards.name].saturate,
        window=lambda wildcards: (
            f"--window {FLOW.scores[wildcards.name].window}"
            if FLOW.scores[wildcards.name].window
            else ""
        ),
        device=FLOW.device,
    shell:
        "genomelm score --saturate {params.interval} -r {input.genome} -m {params.model} -o {output.vcf} "
        "--table {output.table} --summary {output.summary} {params.window} --device {params.device} "
        "--threads {threads} > {log} 2>&1"
