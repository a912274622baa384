# A patching that is `fitted` waits for the other one, whose patcher it applies to its own genome.
rule patch:
    input:
        genome=lambda wildcards: FLOW.data(
            FLOW.genome_of(FLOW.patches[wildcards.patches])
        ),
        index=lambda wildcards: FLOW.index(
            FLOW.genome_of(FLOW.patches[wildcards.patches]), ".fai"
        ),
        fitted=lambda wildcards: FLOW.fitted_files(wildcards.patches),
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
        mem_mb=lambda wildcards, input, attempt: megabytes(
            4000 + PATCH_MB * size_mb(input.genome), attempt
        ),
        runtime=lambda wildcards, input, attempt: minutes(
            60 + size_mb(input.genome) / 2, attempt
        ),
    params:
        folder=lambda wildcards, output: Path(output.summary).parent,
        train=lambda wildcards: [
            f"--train-region {region}" for region in FLOW.train_of(wildcards.patches)
        ],
        test=lambda wildcards: [
            f"--test-region {region}" for region in FLOW.test_of(wildcards.patches)
        ],
        options=lambda wildcards: FLOW.patch_options(wildcards.patches),
    shell:
        "NUMBA_NUM_THREADS={threads} genomelm patch {input.genome} -o {params.folder} {params.train} {params.test} "
        "{params.options} > {log} 2>&1"
