rule attribute:
    input:
        models=lambda wildcards: model_files(
            FLOW.runs(wildcards.model, FLOW.interpret[wildcards.locus].task)
        ),
        genome=f"<results>/data/{FLOW.genome}",
        index=f"<results>/data/{FLOW.genome}.fai",
        sites=lambda wildcards: (
            f"<results>/data/{FLOW.interpret[wildcards.locus].sites}"
            if FLOW.interpret[wildcards.locus].sites
            else []
        ),
    output:
        arrays="<results>/models/{model}/interpret/{locus}/attributions.npz",
        elements="<results>/models/{model}/interpret/{locus}/elements.json",
        settings="<results>/models/{model}/interpret/{locus}/params.json",
        summary=report(
            "<results>/models/{model}/interpret/{locus}/summary.json",
            caption="../report/locus.rst",
            category="Loci",
            subcategory="{model}",
            labels={"model": "{model}", "locus": "{locus}"},
        ),
    log:
        "<logs>/{model}/interpret/{locus}.log",
    benchmark:
        "<benchmarks>/{model}/interpret/{locus}.tsv"
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        **GPU,
        mem_mb=4000,
        runtime=240,
    params:
        folder=lambda wildcards, output: Path(output.summary).parent,
        models=lambda wildcards: [
            f"{run}/model"
            for run in FLOW.runs(wildcards.model, FLOW.interpret[wildcards.locus].task)
        ],
        interval=lambda wildcards: FLOW.interpret[wildcards.locus].interval,
        sites=lambda wildcards, input: f"--sites {input.sites}" if input.sites else "",
        device=FLOW.device,
    shell:
        "genomelm attribute {params.models} -r {input.genome} --interval {params.interval} {params.sites} "
        "-o {params.folder} --device {params.device} --threads {threads} > {log} 2>&1"
