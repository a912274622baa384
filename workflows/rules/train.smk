# A training job keeps its checkpoints in FOLDER.state, which Snakemake does not know and so never deletes. It ends
# with exit code 75 when its time (nine tenths of `runtime`) is over; the retry goes on from the last checkpoint.
# Snakemake retries after every exit code: a command that refuses its input does so four times, each in seconds.
# Priorities: data first, then the longest chains (patching, pretraining, fine-tuning), models that need no pretraining
# before fine-tuning; jobs that measure and score fill the cores that those leave idle.

CUT = [
    name for name, use in FLOW.tasks.items() if MANIFEST.row(use.data).kind != "assay"
]  # tasks whose examples are cut from the genome


rule pretrain:
    input:
        genome=f"<results>/data/{FLOW.genome}",
        index=f"<results>/data/{FLOW.genome}.fai",
        patches=lambda wildcards: f"<results>/patch/{FLOW.models[wildcards.model].patches}/summary.json",
        patcher=lambda wildcards: f"<results>/patch/{FLOW.models[wildcards.model].patches}/patcher/patcher.json",
        store=lambda wildcards: f"<results>/patch/{FLOW.models[wildcards.model].patches}/store/store.json",
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
    retries: 3
    conda:
        "../envs/genomelm.yaml"
    threads: FLOW.threads
    resources:
        **GPU,
        mem_mb=8000,
        runtime=720,
    params:
        folder=lambda wildcards, output: Path(output.metrics).parent,
        patches=lambda wildcards, input: Path(input.patches).parent,
        train=[f"--train-region {region}" for region in FLOW.train_regions],
        test=[f"--test-region {region}" for region in FLOW.test_regions],
        device=FLOW.device,
        minutes=lambda wildcards, resources: resources.runtime * 9 // 10,
    shell:
        "genomelm pretrain --genome {input.genome} --patches {params.patches} --model {input.model} "
        "--train {input.train} {params.train} {params.test} -o {params.folder} --device {params.device} "
        "--threads {threads} --max-minutes {params.minutes} > {log} 2>&1"


rule finetune:
    input:
        start=lambda wildcards: FLOW.start_files(wildcards.model),
        task=lambda wildcards: FLOW.tasks[wildcards.task].task,
        train=lambda wildcards: FLOW.tasks[wildcards.task].train,
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
        model=any_of(FLOW.pretrained()),
    priority: 10
    retries: 3
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        **GPU,
        mem_mb=4000,
        runtime=360,
    params:
        folder=lambda wildcards, output: Path(output.metrics).parent,
        model=lambda wildcards: FLOW.start(wildcards.model),
        genome=lambda wildcards, input: (
            f"--genome {input.genome}" if input.genome else ""
        ),
        split=lambda wildcards, input: f"--split {input.split}" if input.split else "",
        device=FLOW.device,
        minutes=lambda wildcards, resources: resources.runtime * 9 // 10,
    shell:
        "genomelm finetune --model {params.model} --task {input.task} --data {input.data} "
        "{params.genome} {params.split} --train {input.train} --seed {wildcards.seed} "
        "-o {params.folder} --device {params.device} --threads {threads} --max-minutes {params.minutes} > {log} 2>&1"


use rule finetune as train_from_scratch with:
    wildcard_constraints:
        model=any_of(FLOW.from_scratch()),
    priority: 15
