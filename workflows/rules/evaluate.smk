rule evaluate_language_model:
    input:
        genome=f"<results>/data/{FLOW.genome}",
        index=f"<results>/data/{FLOW.genome}.fai",
        patches="<results>/patch/summary.json",
        patcher="<results>/patch/patcher/patcher.json",
        store="<results>/patch/store/store.json",
        training="<results>/pretrain/metrics.json",
        model="<results>/pretrain/model/config.json",
        weights="<results>/pretrain/model/model.safetensors",
        own_patcher="<results>/pretrain/model/patcher/patcher.json",
    output:
        report(
            "<results>/evaluate/language_model.json",
            caption="../report/language_model.rst",
            category="Evaluation",
        ),
    log:
        "<logs>/evaluate/language_model.log",
    benchmark:
        "<benchmarks>/evaluate/language_model.tsv"
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        **GPU,
        mem_mb=8000,
        runtime=240,
    params:
        model=lambda wildcards, input: Path(input.model).parent,
        patches=lambda wildcards, input: Path(input.patches).parent,
        regions=[f"--region {region}" for region in FLOW.test_regions],
        device=FLOW.device,
    shell:
        "genomelm evaluate {params.model} --genome {input.genome} --patches {params.patches} {params.regions} "
        "-o {output} --device {params.device} --threads {threads} > {log} 2>&1"


rule evaluate_task:
    input:
        runs=expand(
            "<results>/finetune/{{task}}/seed{seed}/metrics.json", seed=FLOW.seeds
        ),
        predictions=expand(
            "<results>/finetune/{{task}}/seed{seed}/predictions.tsv", seed=FLOW.seeds
        ),
        weights=expand(
            "<results>/finetune/{{task}}/seed{seed}/model/model.safetensors",
            seed=FLOW.seeds,
        ),
        task=lambda wildcards: FLOW.tasks[wildcards.task].task,
        data=lambda wildcards: f"<results>/data/{FLOW.tasks[wildcards.task].data}",
        split=lambda wildcards: (
            f"<results>/data/{FLOW.tasks[wildcards.task].split}"
            if FLOW.tasks[wildcards.task].split
            else []
        ),
        genome=f"<results>/data/{FLOW.genome}",
        index=f"<results>/data/{FLOW.genome}.fai",
    output:
        report(
            "<results>/evaluate/{task}.json",
            caption="../report/task.rst",
            category="Evaluation",
        ),
    log:
        "<logs>/evaluate/{task}.log",
    benchmark:
        "<benchmarks>/evaluate/{task}.tsv"
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        runs=lambda wildcards, input: [Path(run).parent for run in input.runs],
        split=lambda wildcards, input: f"--split {input.split}" if input.split else "",
    shell:
        "genomelm evaluate --task {input.task} --data {input.data} --genome {input.genome} {params.split} "
        "{params.runs} -o {output} --threads {threads} > {log} 2>&1"
