# A training job keeps its checkpoints in FOLDER.state, which Snakemake does not know and so never deletes. It ends
# with exit code 75 when its time (nine tenths of `runtime`) is over; the retry goes on from the last checkpoint.
# Snakemake retries after every exit code: a command that refuses its input does so four times, each in seconds. A rule's
# retries hold in a cluster's job as well, beside those of the process that submitted it: there they are none.
# Priorities: data first, then the longest chains (patching, pretraining, fine-tuning), models that need no pretraining
# before fine-tuning; jobs that measure and score fill the cores that those leave idle.

RETRIES = 3 if workflow.is_main_process else 0


rule pretrain:
    input:
        data=lambda wildcards: FLOW.pretrain_files(wildcards.model),
        model=lambda wildcards: FLOW.models[wildcards.model].model,
        train=lambda wildcards: FLOW.models[wildcards.model].train,
    output:
        config="<results>/models/{model}/pretrain/model/config.json",
        weights="<results>/models/{model}/pretrain/model/model.safetensors",
        patcher="<results>/models/{model}/pretrain/model/patcher/patcher.json",
        metrics="<results>/models/{model}/pretrain/metrics.json",
        progress="<results>/models/{model}/pretrain/log.jsonl",
    log:
        "<logs>/{model}/pretrain.log",
    benchmark:
        "<benchmarks>/{model}/pretrain.tsv"
    wildcard_constraints:
        model=any_of(FLOW.pretrained()),
    priority: 20
    retries: RETRIES
    conda:
        "../envs/genomelm.yaml"
    threads: FLOW.threads
    resources:
        **GPU,
        mem_mb=lambda wildcards, attempt: megabytes(8000, attempt),
        runtime=720,
    params:
        folder=lambda wildcards, output: Path(output.metrics).parent,
        data=lambda wildcards: FLOW.pretrain_options(wildcards.model),
        device=FLOW.device,
        minutes=lambda wildcards, resources: resources.runtime * 9 // 10,
    shell:
        "genomelm pretrain {params.data} --model {input.model} --train {input.train} -o {params.folder} "
        "--device {params.device} --threads {threads} --max-minutes {params.minutes} > {log} 2>&1"


rule finetune:
    input:
        start=lambda wildcards: FLOW.start_files(wildcards.model),
        task=lambda wildcards: FLOW.tasks[wildcards.task].task,
        train=lambda wildcards: FLOW.tasks[wildcards.task].train,
        data=lambda wildcards: FLOW.data(FLOW.tasks[wildcards.task].data),
        split=lambda wildcards: FLOW.data(FLOW.tasks[wildcards.task].split),
        labels=lambda wildcards: FLOW.data(FLOW.tasks[wildcards.task].labels),
        genome=lambda wildcards: FLOW.data(cut_genome(wildcards)),
        index=lambda wildcards: FLOW.index(cut_genome(wildcards), ".fai"),
    output:
        config="<results>/models/{model}/finetune/{task}/seed{seed}/model/config.json",
        weights="<results>/models/{model}/finetune/{task}/seed{seed}/model/model.safetensors",
        patcher="<results>/models/{model}/finetune/{task}/seed{seed}/model/patcher/patcher.json",
        metrics="<results>/models/{model}/finetune/{task}/seed{seed}/metrics.json",
        predictions="<results>/models/{model}/finetune/{task}/seed{seed}/predictions.tsv",
        progress="<results>/models/{model}/finetune/{task}/seed{seed}/log.jsonl",
    log:
        "<logs>/{model}/finetune/{task}.seed{seed}.log",
    benchmark:
        "<benchmarks>/{model}/finetune/{task}.seed{seed}.tsv"
    wildcard_constraints:
        model=any_of([*FLOW.pretrained(), *FLOW.given()]),
    priority: 10
    retries: RETRIES
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        **GPU,
        mem_mb=lambda wildcards, input, attempt: megabytes(
            8000 + 4 * size_mb(input.data), attempt
        ),
        runtime=360,
    params:
        folder=lambda wildcards, output: Path(output.metrics).parent,
        model=lambda wildcards: FLOW.start(wildcards.model),
        genome=lambda wildcards, input: (
            f"--genome {input.genome}" if input.genome else ""
        ),
        split=lambda wildcards, input: f"--split {input.split}" if input.split else "",
        labels=lambda wildcards, input: (
            f"--labels {input.labels}" if input.labels else ""
        ),
        device=FLOW.device,
        minutes=lambda wildcards, resources: resources.runtime * 9 // 10,
    shell:
        "genomelm finetune --model {params.model} --task {input.task} --data {input.data} "
        "{params.genome} {params.split} {params.labels} --train {input.train} --seed {wildcards.seed} "
        "-o {params.folder} --device {params.device} --threads {threads} --max-minutes {params.minutes} > {log} 2>&1"


use rule finetune as train_from_scratch with:
    wildcard_constraints:
        model=any_of(FLOW.from_scratch()),
    priority: 15
