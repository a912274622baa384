# What the rules ask of the config: names by kind, files and options of one job.
PATCH_MB = 20  # memory for a MB of compressed genome: 6 bytes a base
CUT = cut_tasks(FLOW)  # tasks whose examples are cut from a genome


def cut_genome(wildcards):
    """Return the name of the genome that a task's examples are cut from, or None."""
    if wildcards.task not in CUT:
        return None
    return FLOW.genome_of(FLOW.tasks[wildcards.task])


def measured_genome(wildcards):
    """Return the name of the genome whose held-out regions a language model is measured on."""
    return FLOW.genome_of(FLOW.patches[FLOW.models[wildcards.model].patches])


SHARDS = {name: shard_count(FLOW, name, MANIFEST) for name in FLOW.scores}
SATURATED = [name for name, score in FLOW.scores.items() if score.saturate]
SPLIT = [name for name in SHARDS if SHARDS[name] > 1]
WHOLE = [name for name in SHARDS if name not in {*SATURATED, *SPLIT}]


def scored(wildcards):
    """Return the entry of the config that is scored."""
    return FLOW.scores[wildcards.name]


def background_of(model, score):
    """Return the folder of the background that an entry's scores are placed in; None without one."""
    if score.background is None:
        return None
    return f"{FLOW.results}/models/{model}/background/{score.background}/{score.task or 'language_model'}"


def records_scored(model):
    """Return about how many records all entries of a model have."""
    return sum(
        records_of(FLOW, name, MANIFEST) for name in FLOW.of_model("scores", model)
    )


def scoring_files(wildcards):
    """Return what scoring reads besides variants."""
    score = scored(wildcards)
    background = background_of(wildcards.model, score)
    return {
        "genome": FLOW.data(FLOW.genome_of(score)),
        "index": FLOW.index(FLOW.genome_of(score), ".fai"),
        "regions": FLOW.data(score.regions),
        "model": FLOW.model_inputs(wildcards.model, score.task),
        "background": [] if background is None else f"{background}/background.json",
    }


def scoring_model(wildcards):
    """Return the folder of the model that scores: of a task the first seed's."""
    return FLOW.folders(wildcards.model, scored(wildcards).task)[0]


def scoring_options(wildcards, input):
    """Return how `genomelm score` is told to read."""
    score = scored(wildcards)
    options = {
        "regions": input.regions,
        "window": score.window,
        "background": background_of(wildcards.model, score),
        "width": score.width if score.window is None else None,
    }
    flags = ["--sort"] if score.variants and is_unordered(score.variants) else []
    return " ".join(
        [*(f"--{key} {value}" for key, value in options.items() if value), *flags]
    )


LOCI = [name for name, entry in FLOW.interpret.items() if entry.interval]
REGIONS = [name for name, entry in FLOW.interpret.items() if entry.regions]


def explained(wildcards):
    """Return the entry of the config that is explained."""
    return FLOW.interpret[wildcards.locus]


def explaining_models(wildcards):
    """Return the folders of the models that explain: all seeds of a task, or one language model."""
    return FLOW.folders(wildcards.model, explained(wildcards).task)
