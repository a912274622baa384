rule patch:
    input:
        genome=f"<results>/data/{FLOW.genome}",
        index=f"<results>/data/{FLOW.genome}.fai",
    output:
        patcher="<results>/patch/patcher/patcher.json",
        store="<results>/patch/store/store.json",
        summary="<results>/patch/summary.json",
    log:
        "<logs>/patch.log",
    benchmark:
        "<benchmarks>/patch.tsv"
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
        mean=FLOW.patch.mean,
        order=FLOW.patch.order,
    shell:
        "NUMBA_NUM_THREADS={threads} genomelm patch {input.genome} -o {params.folder} "
        "{params.train} {params.test} --mean {params.mean} --order {params.order} > {log} 2>&1"
