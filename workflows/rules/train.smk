# A training job keeps its checkpoints in FOLDER.state, which Snakemake does not know and so never deletes. It ends
# with exit code 75 when its time (nine tenths of `runtime`) is over; the retry goes on from the last checkpoint.
# Snakemake retries after every exit code: a command that refuses its input does so four times, each in seconds.


rule pretrain:
    input:
        genome=f"<results>/data/{FLOW.genome}",
        index=f"<results>/data/{FLOW.genome}.fai",
        patches="<results>/patch/summary.json",
        patcher="<results>/patch/patcher/patcher.json",
        store="<results>/patch/store/store.json",
        model=FLOW.model,
        train=FLOW.pretrain,
    output:
        config="<results>/pretrain/model/config.json",
        weights="<results>/pretrain/model/model.safetensors",
        patcher="<results>/pretrain/model/patcher/patcher.json",
        metrics="<results>/pretrain/metrics.json",
        progress="<results>/pretrain/log.jsonl",
    log:
        "<logs>/pretrain.log",
    benchmark:
        "<benchmarks>/pretrain.tsv"
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
        model="<results>/pretrain/model/config.json",
        weights="<results>/pretrain/model/model.safetensors",
        patcher="<results>/pretrain/model/patcher/patcher.json",
        task=lambda wildcards: FLOW.tasks[wildcards.task].task,
        train=lambda wildcards: FLOW.tasks[wildcards.task].train,
        data=lambda wildcards: f"<results>/data/{FLOW.tasks[wildcards.task].data}",
        split=lambda wildcards: (
            f"<results>/data/{FLOW.tasks[wildcards.task].split}"
            if FLOW.tasks[wildcards.task].split
            else []
        ),
        genome=f"<results>/data/{FLOW.genome}",
        index=f"<results>/data/{FLOW.genome}.fai",
    output:
        config="<results>/finetune/{task}/seed{seed}/model/config.json",
        weights="<results>/finetune/{task}/seed{seed}/model/model.safetensors",
        patcher="<results>/finetune/{task}/seed{seed}/model/patcher/patcher.json",
        metrics="<results>/finetune/{task}/seed{seed}/metrics.json",
        predictions="<results>/finetune/{task}/seed{seed}/predictions.tsv",
        progress="<results>/finetune/{task}/seed{seed}/log.jsonl",
    log:
        "<logs>/finetune/{task}.seed{seed}.log",
    benchmark:
        "<benchmarks>/finetune/{task}.seed{seed}.tsv"
    # The longest chain starts first; jobs that measure and score fill the cores that it leaves idle.
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
        model=lambda wildcards, input: Path(input.model).parent,
        split=lambda wildcards, input: f"--split {input.split}" if input.split else "",
        device=FLOW.device,
        minutes=lambda wildcards, resources: resources.runtime * 9 // 10,
    shell:
        "genomelm finetune --model {params.model} --task {input.task} --data {input.data} "
        "--genome {input.genome} {params.split} --train {input.train} --seed {wildcards.seed} "
        "-o {params.folder} --device {params.device} --threads {threads} --max-minutes {params.minutes} > {log} 2>&1"
