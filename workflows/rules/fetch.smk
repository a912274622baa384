# The only rules that may use the network; compute nodes may have none.
localrules:
    fetch,
    fetch_pinned,


PINNED = [name for name in FLOW.data_names() if MANIFEST.row(name).sha256 is None]


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
    wildcard_constraints:
        name=any_of(FLOW.data_names() - set(PINNED)),
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
        "genomelm fetch {wildcards.name} --as-published -o {output} --manifest {params.manifest:q} 2> {log}"


# The command holds these against the digest that lock.tsv got at their first use.
use rule fetch as fetch_pinned with:
    output:
        temp("<results>/published/{name}"),
    wildcard_constraints:
        name=any_of(PINNED),
