rule evaluate_language_model:
    input:
        genome=f"<results>/data/{FLOW.genome}",
        index=f"<results>/data/{FLOW.genome}.fai",
        patches=lambda wildcards: f"<results>/patch/{FLOW.models[wildcards.model].patches}/summary.json",
        patcher=lambda wildcards: f"<results>/patch/{FLOW.models[wildcards.model].patches}/patcher/patcher.json",
        store=lambda wildcards: f"<results>/patch/{FLOW.models[wildcards.model].patches}/store/store.json",
        training="<results>/models/{model}/pretrain/metrics.json",
        model="<results>/models/{model}/pretrain/model/config.json",
        weights="<results>/models/{model}/pretrain/model/model.safetensors",
        own_patcher="<results>/models/{model}/pretrain/model/patcher/patcher.json",
    output:
        report(
            "<results>/models/{model}/evaluate/language_model.json",
            caption="../report/language_model.rst",
            category="Evaluation",
            subcategory="{model}",
            labels={"model": "{model}", "measured": "language model"},
        ),
    log:
        "<logs>/{model}/evaluate/language_model.log",
    benchmark:
        "<benchmarks>/{model}/evaluate/language_model.tsv"
    priority: 5
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
        long=lambda wildcards: (
            f"--long-window {FLOW.models[wildcards.model].long_window}"
            if FLOW.models[wildcards.model].long_window
            else ""
        ),
        device=FLOW.device,
    shell:
        "genomelm evaluate {params.model} --genome {input.genome} --patches {params.patches} {params.regions} "
        "{params.long} -o {output} --device {params.device} --threads {threads} > {log} 2>&1"


rule evaluate_task:
    input:
        metrics=lambda wildcards: [
            f"{run}/metrics.json" for run in FLOW.runs(wildcards.model, wildcards.task)
        ],
        predictions=lambda wildcards: [
            f"{run}/predictions.tsv"
            for run in FLOW.runs(wildcards.model, wildcards.task)
        ],
        weights=lambda wildcards: [
            f"{run}/model/model.safetensors"
            for run in FLOW.runs(wildcards.model, wildcards.task)
        ],
        task=lambda wildcards: FLOW.tasks[wildcards.task].task,
        data=lambda wildcards: f"<results>/data/{FLOW.tasks[wildcards.task].data}",
        split=lambda wildcards: (
            f"<results>/data/{FLOW.tasks[wildcards.task].split}"
            if FLOW.tasks[wildcards.task].split
            else []
        ),
        genome=lambda wildcards: (
            f"<results>/data/{FLOW.genome}" if wildcards.task in CUT else []
        ),
        index=lambda wildcards: (
            f"<results>/data/{FLOW.genome}.fai" if wildcards.task in CUT else []
        ),
    output:
        report(
            "<results>/models/{model}/evaluate/{task}.json",
            caption="../report/task.rst",
            category="Evaluation",
            subcategory="{model}",
            labels={"model": "{model}", "measured": "{task}"},
        ),
    log:
        "<logs>/{model}/evaluate/{task}.log",
    benchmark:
        "<benchmarks>/{model}/evaluate/{task}.tsv"
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        runs=lambda wildcards: FLOW.runs(wildcards.model, wildcards.task),
        genome=lambda wildcards, input: (
            f"--genome {input.genome}" if input.genome else ""
        ),
        split=lambda wildcards, input: f"--split {input.split}" if input.split else "",
    shell:
        "genomelm evaluate --task {input.task} --data {input.data} {params.genome} {params.split} "
        "{params.runs} -o {output} --threads {threads} > {log} 2>&1"
