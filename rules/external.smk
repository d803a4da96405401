# Trained runs of one dataset, images and split of another -> predictions -> scores (benchmark.external)

EXTERNAL = f"{RESULTS}/{{target}}/external/{{target_protocol}}/{{dataset}}/{{protocol}}"


# Runs early (priority), because it needs only the labels and shows whether the two datasets share classes
rule external_classes:
    input:
        source=f"{DATASET}/labels.parquet",
        target=f"{RESULTS}/{{target}}/labels.parquet",
    output:
        f"{EXTERNAL}.classes.json",
    priority: 10
    localrule: True
    params:
        classes=lambda wildcards: external(wildcards).classes,
        key=lambda wildcards: external(wildcards).key,
    message:
        "Finding the classes that {wildcards.dataset} and {wildcards.target} share"
    script:
        "../scripts/external_classes.py"


rule predict_external:
    input:
        run=f"{RUN}/run.json",
        weights=f"{RUN}/weights.safetensors",
        split=lambda w: f"{RESULTS}/{w.target}/splits/{w.target_protocol}/seed-{external(w).target_seed(int(w.seed))}.parquet",
        images=lambda wildcards: TARGETS.of_shards("images/{shard}.npy", [wildcards.target]),
        indices=lambda wildcards: TARGETS.of_shards("images/{shard}.index.parquet", [wildcards.target]),
    output:
        f"{RUN}/external/{{target}}/{{target_protocol}}.parquet",
    conda:
        "../envs/train.yaml"
    threads: 4
    resources:
        mem_mb=scaled(6000),
        runtime=scaled(120),
        gpu=1,
    params:
        preprocess=section("preprocess"),
    message:
        "Predicting {wildcards.target} with {wildcards.variant} of {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/predict_external.py"


rule evaluate_external:
    input:
        unpack(lambda wildcards: TARGETS.external_predictions(external(wildcards))),
        classes=f"{EXTERNAL}.classes.json",
        labels=f"{RESULTS}/{{target}}/labels.parquet",
        records=f"{RESULTS}/{{target}}/records.parquet",
        duplicates=lambda wildcards: duplicates_of(wildcards.target),
        source_records=f"{DATASET}/records.parquet",
        source_duplicates=of_dataset(duplicates_of),
    output:
        f"{EXTERNAL}.json",
    resources:
        mem_mb=scaled(3000),
        runtime=scaled(60),
    params:
        evaluate=section("evaluate", "resamples", "confidence", "seed"),
        images=lambda wildcards: {"source": image_origin(wildcards.dataset), "target": image_origin(wildcards.target)},
    message:
        "Scoring the models of {wildcards.dataset} ({wildcards.protocol}) on {wildcards.target} ({wildcards.target_protocol})"
    script:
        "../scripts/evaluate_external.py"
