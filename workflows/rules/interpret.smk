rule attribute:
    input:
        models=lambda wildcards: expand(
            "<results>/finetune/{task}/seed{seed}/model/config.json",
            task=FLOW.interpret[wildcards.locus].task,
            seed=FLOW.seeds,
        ),
        weights=lambda wildcards: expand(
            "<results>/finetune/{task}/seed{seed}/model/model.safetensors",
            task=FLOW.interpret[wildcards.locus].task,
            seed=FLOW.seeds,
        ),
        patchers=lambda wildcards: expand(
            "<results>/finetune/{task}/seed{seed}/model/patcher/patcher.json",
            task=FLOW.interpret[wildcards.locus].task,
            seed=FLOW.seeds,
        ),
        genome=f"<results>/data/{FLOW.genome}",
        index=f"<results>/data/{FLOW.genome}.fai",
        sites=lambda wildcards: (
            f"<results>/data/{FLOW.interpret[wildcards.locus].sites}"
            if FLOW.interpret[wildcards.locus].sites
            else []
        ),
    output:
        arrays="<results>/interpret/{locus}/attributions.npz",
        elements="<results>/interpret/{locus}/elements.json",
        settings="<results>/interpret/{locus}/params.json",
        summary="<results>/interpret/{locus}/summary.json",
    log:
        "<logs>/attribute/{locus}.log",
    benchmark:
        "<benchmarks>/attribute/{locus}.tsv"
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        **GPU,
        mem_mb=4000,
        runtime=240,
    params:
        folder=lambda wildcards, output: Path(output.summary).parent,
        models=lambda wildcards, input: [Path(model).parent for model in input.models],
        interval=lambda wildcards: FLOW.interpret[wildcards.locus].interval,
        sites=lambda wildcards, input: f"--sites {input.sites}" if input.sites else "",
        device=FLOW.device,
    shell:
        "genomelm attribute {params.models} -r {input.genome} --interval {params.interval} {params.sites} "
        "-o {params.folder} --device {params.device} --threads {threads} > {log} 2>&1"
