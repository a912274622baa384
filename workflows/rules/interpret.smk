rule attribute:
    input:
        models=lambda wildcards: FLOW.model_inputs(
            wildcards.model, explained(wildcards).task
        ),
        genome=lambda wildcards: FLOW.data(FLOW.genome_of(explained(wildcards))),
        index=lambda wildcards: FLOW.index(FLOW.genome_of(explained(wildcards)), ".fai"),
        sites=lambda wildcards: FLOW.data(explained(wildcards).sites),
    output:
        arrays="<results>/models/{model}/interpret/{locus}/attributions.npz",
        elements="<results>/models/{model}/interpret/{locus}/elements.json",
        settings="<results>/models/{model}/interpret/{locus}/params.json",
        summary=report(
            "<results>/models/{model}/interpret/{locus}/summary.json",
            caption="../report/locus.rst",
            category="Loci",
            subcategory="{model}",
            labels={"model": "{model}", "locus": "{locus}"},
        ),
    log:
        "<logs>/{model}/interpret/{locus}.log",
    benchmark:
        "<benchmarks>/{model}/interpret/{locus}.tsv"
    wildcard_constraints:
        locus=any_of(LOCI),
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        **GPU,
        mem_mb=lambda wildcards, attempt: megabytes(4000, attempt),
        runtime=lambda wildcards, attempt: minutes(240, attempt),
    params:
        folder=lambda wildcards, output: Path(output.summary).parent,
        models=explaining_models,
        interval=lambda wildcards: explained(wildcards).interval,
        sites=lambda wildcards, input: f"--sites {input.sites}" if input.sites else "",
        device=FLOW.device,
    shell:
        "genomelm attribute {params.models} -r {input.genome} --interval {params.interval} {params.sites} "
        "-o {params.folder} --device {params.device} --threads {threads} > {log} 2>&1"


# A job that is tried again goes on behind the regions that the folder holds already.
rule attribute_regions:
    input:
        models=lambda wildcards: FLOW.model_inputs(
            wildcards.model, explained(wildcards).task
        ),
        genome=lambda wildcards: FLOW.data(FLOW.genome_of(explained(wildcards))),
        index=lambda wildcards: FLOW.index(FLOW.genome_of(explained(wildcards)), ".fai"),
        regions=lambda wildcards: FLOW.data(explained(wildcards).regions),
        sites=lambda wildcards: FLOW.data(explained(wildcards).sites),
        motifs=lambda wildcards: [
            FLOW.data(name) for name in explained(wildcards).motifs
        ],
    output:
        regions="<results>/models/{model}/interpret/{locus}/regions.tsv",
        arrays="<results>/models/{model}/interpret/{locus}/attributions.npz",
        tracks="<results>/models/{model}/interpret/{locus}/tracks.npz",
        settings="<results>/models/{model}/interpret/{locus}/params.json",
        summary=report(
            "<results>/models/{model}/interpret/{locus}/summary.json",
            caption="../report/regions.rst",
            category="Regions",
            subcategory="{model}",
            labels={"model": "{model}", "regions": "{locus}"},
        ),
    log:
        "<logs>/{model}/interpret/{locus}.log",
    benchmark:
        "<benchmarks>/{model}/interpret/{locus}.tsv"
    wildcard_constraints:
        locus=any_of(REGIONS),
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        **GPU,
        mem_mb=lambda wildcards, attempt: megabytes(8000, attempt),
        runtime=lambda wildcards, attempt: minutes(720, attempt),
    params:
        folder=lambda wildcards, output: Path(output.summary).parent,
        models=explaining_models,
        width=lambda wildcards: (
            f"--width {explained(wildcards).width}"
            if explained(wildcards).width
            else ""
        ),
        sites=lambda wildcards, input: f"--sites {input.sites}" if input.sites else "",
        motifs=lambda wildcards, input: [f"--motif-db {path}" for path in input.motifs],
        jaspar=lambda wildcards: (
            f"--jaspar {explained(wildcards).jaspar}"
            if explained(wildcards).jaspar
            else ""
        ),
        device=FLOW.device,
    shell:
        "genomelm attribute {params.models} -r {input.genome} --regions {input.regions} {params.width} {params.sites} "
        "{params.motifs} {params.jaspar} --resume -o {params.folder} --device {params.device} --threads {threads} "
        "> {log} 2>&1"
