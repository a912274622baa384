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
        model=lambda wildcards: f"<results>/{FLOW.model_of(FLOW.scores[wildcards.name].model)}/config.json",
        weights=lambda wildcards: f"<results>/{FLOW.model_of(FLOW.scores[wildcards.name].model)}/model.safetensors",
        patcher=lambda wildcards: f"<results>/{FLOW.model_of(FLOW.scores[wildcards.name].model)}/patcher/patcher.json",
    output:
        vcf="<results>/score/{name}.vcf.gz",
        tbi="<results>/score/{name}.vcf.gz.tbi",
        table="<results>/score/{name}.tsv",
        summary="<results>/score/{name}.summary.json",
    log:
        "<logs>/score/{name}.log",
    benchmark:
        "<benchmarks>/score/{name}.tsv"
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
        model=lambda wildcards, input: Path(input.model).parent,
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
        model=lambda wildcards: f"<results>/{FLOW.model_of(FLOW.scores[wildcards.name].model)}/config.json",
        weights=lambda wildcards: f"<results>/{FLOW.model_of(FLOW.scores[wildcards.name].model)}/model.safetensors",
        patcher=lambda wildcards: f"<results>/{FLOW.model_of(FLOW.scores[wildcards.name].model)}/patcher/patcher.json",
    output:
        vcf="<results>/score/{name}.vcf.gz",
        tbi="<results>/score/{name}.vcf.gz.tbi",
        table="<results>/score/{name}.tsv",
        summary="<results>/score/{name}.summary.json",
    log:
        "<logs>/score/{name}.log",
    benchmark:
        "<benchmarks>/score/{name}.tsv"
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
        model=lambda wildcards, input: Path(input.model).parent,
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
