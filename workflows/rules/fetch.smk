localrules:
    fetch,


# The only rule that may use the network.
rule fetch:
    output:
        ensure(
            temp("<results>/published/{name}"),
            sha256=lambda wildcards: MANIFEST.row(wildcards.name).sha256,
        ),
    log:
        "<logs>/fetch/{name}.log",
    benchmark:
        "<benchmarks>/fetch/{name}.tsv"
    priority: 40
    retries: 2
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=600,
    params:
        manifest=FLOW.manifest,
    shell:
        "genomelm fetch {wildcards.name} --as-published -o {output} --manifest {params.manifest} 2> {log}"
