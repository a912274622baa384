rule evaluate_language_model:
    input:
        genome=lambda wildcards: FLOW.data(measured_genome(wildcards)),
        index=lambda wildcards: FLOW.index(measured_genome(wildcards), ".fai"),
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
        mem_mb=lambda wildcards, attempt: megabytes(8000, attempt),
        runtime=lambda wildcards, attempt: minutes(240, attempt),
    params:
        model=lambda wildcards, input: Path(input.model).parent,
        patches=lambda wildcards, input: Path(input.patches).parent,
        regions=lambda wildcards: [
            f"--region {region}"
            for region in FLOW.test_of(FLOW.models[wildcards.model].patches)
        ],
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
        data=lambda wildcards: FLOW.data(FLOW.tasks[wildcards.task].data),
        split=lambda wildcards: FLOW.data(FLOW.tasks[wildcards.task].split),
        labels=lambda wildcards: FLOW.data(FLOW.tasks[wildcards.task].labels),
        genome=lambda wildcards: FLOW.data(cut_genome(wildcards)),
        index=lambda wildcards: FLOW.index(cut_genome(wildcards), ".fai"),
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
        mem_mb=lambda wildcards, input, attempt: megabytes(
            4000 + 4 * size_mb(input.data), attempt
        ),
        runtime=lambda wildcards, attempt: minutes(240, attempt),
    params:
        runs=lambda wildcards: FLOW.runs(wildcards.model, wildcards.task),
        genome=lambda wildcards, input: (
            f"--genome {input.genome}" if input.genome else ""
        ),
        split=lambda wildcards, input: f"--split {input.split}" if input.split else "",
        labels=lambda wildcards, input: (
            f"--labels {input.labels}" if input.labels else ""
        ),
    shell:
        "genomelm evaluate --task {input.task} --data {input.data} {params.genome} {params.split} {params.labels} "
        "{params.runs} -o {output} --threads {threads} > {log} 2>&1"
