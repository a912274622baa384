NAMES = {
    kind: [
        name for name in sorted(FLOW.data_names()) if MANIFEST.row(name).kind == kind
    ]
    for kind in ("genome", "variants")
}
PLAIN = sorted(FLOW.data_names() - set(NAMES["genome"]) - set(NAMES["variants"]))


rule prepare_genome:
    input:
        "<results>/published/{name}",
    output:
        fasta="<results>/data/{name}",
        fai="<results>/data/{name}.fai",
        gzi="<results>/data/{name}.gzi",
        provenance="<results>/data/{name}.provenance.json",
    log:
        "<logs>/prepare/{name}.log",
    benchmark:
        "<benchmarks>/prepare/{name}.tsv"
    wildcard_constraints:
        name=any_of(NAMES["genome"]),
    priority: 40
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=120,
    params:
        manifest=FLOW.manifest,
    shell:
        "genomelm fetch {wildcards.name} --source {input} -o {output.fasta} --manifest {params.manifest} 2> {log}"


rule prepare_variants:
    input:
        "<results>/published/{name}",
    output:
        vcf="<results>/data/{name}",
        tbi="<results>/data/{name}.tbi",
        provenance="<results>/data/{name}.provenance.json",
    log:
        "<logs>/prepare/{name}.log",
    benchmark:
        "<benchmarks>/prepare/{name}.tsv"
    wildcard_constraints:
        name=any_of(NAMES["variants"]),
    priority: 40
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=120,
    params:
        manifest=FLOW.manifest,
    shell:
        "genomelm fetch {wildcards.name} --source {input} -o {output.vcf} --manifest {params.manifest} 2> {log}"


rule prepare_table:
    input:
        "<results>/published/{name}",
    output:
        table="<results>/data/{name}",
        provenance="<results>/data/{name}.provenance.json",
    log:
        "<logs>/prepare/{name}.log",
    benchmark:
        "<benchmarks>/prepare/{name}.tsv"
    wildcard_constraints:
        name=any_of(PLAIN),
    priority: 40
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=30,
    params:
        manifest=FLOW.manifest,
    shell:
        "genomelm fetch {wildcards.name} --source {input} -o {output.table} --manifest {params.manifest} 2> {log}"
