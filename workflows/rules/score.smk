# A VCF of more records than a shard is scored in parts, side by side, and merged: `genomelm merge` proves that none
# is missing. Parts are kept until then. A job that is tried again goes on behind the records that it had scored.


rule background:
    input:
        genome=lambda wildcards: FLOW.data(
            FLOW.genome_of(FLOW.backgrounds[wildcards.background])
        ),
        index=lambda wildcards: FLOW.index(
            FLOW.genome_of(FLOW.backgrounds[wildcards.background]), ".fai"
        ),
        model=lambda wildcards: FLOW.model_inputs(
            wildcards.model,
            None if wildcards.head == "language_model" else wildcards.head,
        ),
        variants=lambda wildcards: FLOW.data(
            FLOW.backgrounds[wildcards.background].variants
        ),
    output:
        scores="<results>/models/{model}/background/{background}/{head}/scores.npz",
        facts="<results>/models/{model}/background/{background}/{head}/background.json",
    log:
        "<logs>/{model}/background/{background}.{head}.log",
    benchmark:
        "<benchmarks>/{model}/background/{background}.{head}.tsv"
    wildcard_constraints:
        background=any_of(FLOW.backgrounds),
        head=any_of([*FLOW.tasks, "language_model"]),
    priority: 5
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        **GPU,
        mem_mb=lambda wildcards, attempt: megabytes(4000, attempt),
        runtime=lambda wildcards, attempt: minutes(240, attempt),
    params:
        folder=lambda wildcards, output: Path(output.facts).parent,
        model=lambda wildcards, input: Path(input.model[0]).parent,
        variants=lambda wildcards, input: (
            f"--variants {input.variants}" if input.variants else ""
        ),
        per_class=lambda wildcards: FLOW.backgrounds[wildcards.background].per_class,
        seed=lambda wildcards: FLOW.backgrounds[wildcards.background].seed,
        width=lambda wildcards: FLOW.backgrounds[wildcards.background].width,
        device=FLOW.device,
    shell:
        "genomelm background -r {input.genome} -m {params.model} -o {params.folder} --per-class {params.per_class} "
        "--seed {params.seed} --width {params.width} {params.variants} --device {params.device} --threads {threads} "
        "> {log} 2>&1"


rule score_variants:
    input:
        unpack(scoring_files),
        vcf=lambda wildcards: FLOW.data(scored(wildcards).variants),
        tbi=lambda wildcards: FLOW.index(scored(wildcards).variants, ".tbi"),
    output:
        vcf="<results>/models/{model}/score/{name}.vcf.gz",
        tbi="<results>/models/{model}/score/{name}.vcf.gz.tbi",
        table="<results>/models/{model}/score/{name}.tsv",
        summary=report(
            "<results>/models/{model}/score/{name}.summary.json",
            caption="../report/score.rst",
            category="Variants",
            subcategory="{model}",
            labels={"model": "{model}", "variants": "{name}"},
        ),
    log:
        "<logs>/{model}/score/{name}.log",
    benchmark:
        "<benchmarks>/{model}/score/{name}.tsv"
    wildcard_constraints:
        name=any_of(WHOLE),
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        **GPU,
        mem_mb=lambda wildcards, attempt: megabytes(4000, attempt),
        runtime=lambda wildcards, attempt: minutes(480, attempt),
    params:
        model=scoring_model,
        options=scoring_options,
        device=FLOW.device,
    shell:
        "genomelm score {input.vcf} -r {input.genome} -m {params.model} -o {output.vcf} --table {output.table} "
        "--summary {output.summary} {params.options} --resume --device {params.device} --threads {threads} "
        "> {log} 2>&1"


rule score_shard:
    input:
        unpack(scoring_files),
        vcf=lambda wildcards: FLOW.data(scored(wildcards).variants),
        tbi=lambda wildcards: FLOW.index(scored(wildcards).variants, ".tbi"),
    output:
        vcf=temp(
            "<results>/models/{model}/score/{name}.shards/{shard}of{shards}.vcf.gz"
        ),
        tbi=temp(
            "<results>/models/{model}/score/{name}.shards/{shard}of{shards}.vcf.gz.tbi"
        ),
    log:
        "<logs>/{model}/score/{name}.{shard}of{shards}.log",
    benchmark:
        "<benchmarks>/{model}/score/{name}.{shard}of{shards}.tsv"
    wildcard_constraints:
        name=any_of(SPLIT),
        shard="[0-9]+",
        shards="[0-9]+",
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        **GPU,
        mem_mb=lambda wildcards, attempt: megabytes(4000, attempt),
        runtime=lambda wildcards, attempt: minutes(480, attempt),
    params:
        model=scoring_model,
        options=scoring_options,
        device=FLOW.device,
    shell:
        "genomelm score {input.vcf} -r {input.genome} -m {params.model} -o {output.vcf} "
        "--shard {wildcards.shard}/{wildcards.shards} {params.options} --resume --device {params.device} "
        "--threads {threads} > {log} 2>&1"


rule merge_scores:
    input:
        vcf=lambda wildcards: expand(
            "<results>/models/{model}/score/{name}.shards/{shard}of{shards}.vcf.gz",
            model=wildcards.model,
            name=wildcards.name,
            shard=range(1, SHARDS[wildcards.name] + 1),
            shards=SHARDS[wildcards.name],
        ),
        tbi=lambda wildcards: expand(
            "<results>/models/{model}/score/{name}.shards/{shard}of{shards}.vcf.gz.tbi",
            model=wildcards.model,
            name=wildcards.name,
            shard=range(1, SHARDS[wildcards.name] + 1),
            shards=SHARDS[wildcards.name],
        ),
    output:
        vcf="<results>/models/{model}/score/{name}.vcf.gz",
        tbi="<results>/models/{model}/score/{name}.vcf.gz.tbi",
        table="<results>/models/{model}/score/{name}.tsv",
        summary=report(
            "<results>/models/{model}/score/{name}.summary.json",
            caption="../report/score.rst",
            category="Variants",
            subcategory="{model}",
            labels={"model": "{model}", "variants": "{name}"},
        ),
    log:
        "<logs>/{model}/score/{name}.log",
    benchmark:
        "<benchmarks>/{model}/score/{name}.tsv"
    wildcard_constraints:
        name=any_of(SPLIT),
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: megabytes(2000, attempt),
        runtime=lambda wildcards, attempt: minutes(
            30 + records_of(FLOW, wildcards.name, MANIFEST) / 100_000, attempt
        ),
    shell:
        "genomelm merge {input.vcf} -o {output.vcf} --table {output.table} --summary {output.summary} > {log} 2>&1"


rule score_saturation:
    input:
        unpack(scoring_files),
    output:
        vcf="<results>/models/{model}/score/{name}.vcf.gz",
        tbi="<results>/models/{model}/score/{name}.vcf.gz.tbi",
        table="<results>/models/{model}/score/{name}.tsv",
        summary=report(
            "<results>/models/{model}/score/{name}.summary.json",
            caption="../report/score.rst",
            category="Variants",
            subcategory="{model}",
            labels={"model": "{model}", "variants": "{name}"},
        ),
    log:
        "<logs>/{model}/score/{name}.log",
    benchmark:
        "<benchmarks>/{model}/score/{name}.tsv"
    wildcard_constraints:
        name=any_of(SATURATED),
    conda:
        "../envs/genomelm.yaml"
    threads: 1
    resources:
        **GPU,
        mem_mb=lambda wildcards, attempt: megabytes(4000, attempt),
        runtime=lambda wildcards, attempt: minutes(480, attempt),
    params:
        model=scoring_model,
        interval=lambda wildcards: scored(wildcards).saturate,
        options=scoring_options,
        device=FLOW.device,
    shell:
        "genomelm score --saturate {params.interval} -r {input.genome} -m {params.model} -o {output.vcf} "
        "--table {output.table} --summary {output.summary} {params.options} --device {params.device} "
        "--threads {threads} > {log} 2>&1"
