rule patch:
    input:
        genome=f"<results>/data/{FLOW.genome}",
        index=f"<results>/data/{FLOW.genome}.fai",
    output:
        patcher="<results>/patch/{patches}/patcher/patcher.json",
        store="<results>/patch/{patches}/store/store.json",
        summary="<results>/patch/{patches}/summary.json",
        bed="<results>/patch/{patches}/patches.bed.gz",
        plot="<results>/patch/{patches}/patches.png",
    log:
        "<logs>/patch/{patches}.log",
    benchmark:
        "<benchmarks>/patch/{patches}.tsv"
    priority: 30
    conda:
        "../envs/genomelm.yaml"
    threads: FLOW.threads
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        folder=lambda wildcards, output: Path(output.summary).parent,
        train=[f"--train-region {region}" for region in FLOW.train_regions],
        test=[f"--test-region {region}" for region in FLOW.test_regions],
        options=lambda wildcards: FLOW.patches[wildcards.patches].options,
    shell:
        "NUMBA_NUM_THREADS={threads} genomelm patch {input.genome} -o {params.folder} {params.train} {params.test} "
        "{params.options} > {log} 2>&1"
