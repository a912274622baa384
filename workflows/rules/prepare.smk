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
        mem_mb=lambda wildcards, attempt: megabytes(1000, attempt),
        runtime=lambda wildcards, input, attempt: minutes(
            30 + size_mb(input[0]) / 10, attempt
        ),
    params:
        manifest=FLOW.manifest,
    shell:
        "genomelm fetch {wildcards.name} --source {input} -o {output.fasta} --manifest {params.manifest:q} 2> {log}"


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
        mem_mb=lambda wildcards, attempt: megabytes(1000, attempt),
        runtime=lambda wildcards, input, attempt: minutes(
            30 + size_mb(input[0]) / 10, attempt
        ),
    params:
        manifest=FLOW.manifest,
    shell:
        "genomelm fetch {wildcards.name} --source {input} -o {output.vcf} --manifest {params.manifest:q} 2> {log}"


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
        mem_mb=lambda wildcards, attempt: megabytes(500, attempt),
        runtime=lambda wildcards, input, attempt: minutes(
            30 + size_mb(input[0]) / 100, attempt
        ),
    params:
        manifest=FLOW.manifest,
    shell:
        "genomelm fetch {wildcards.name} --source {input} -o {output.table} --manifest {params.manifest:q} 2> {log}"


rule assay_variants:
    input:
        table=lambda wildcards: FLOW.data(FLOW.assays[wildcards.assay].table),
        genome=lambda wildcards: FLOW.data(FLOW.genome_of(FLOW.assays[wildcards.assay])),
        index=lambda wildcards: FLOW.index(
            FLOW.genome_of(FLOW.assays[wildcards.assay]), ".fai"
        ),
    output:
        vcf="<results>/assays/{assay}.vcf.gz",
        tbi="<results>/assays/{assay}.vcf.gz.tbi",
    log:
        "<logs>/prepare/{assay}.assay.log",
    benchmark:
        "<benchmarks>/prepare/{assay}.assay.tsv"
    wildcard_constraints:
        assay=any_of(FLOW.assays),
    priority: 35
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: megabytes(2000, attempt),
        runtime=lambda wildcards, attempt: minutes(60, attempt),
    params:
        options=lambda wildcards: FLOW.assays[wildcards.assay].options,
    shell:
        "genomelm assay {input.table} -r {input.genome} -o {output.vcf} {params.options} > {log} 2>&1"
