# Baselines: pages and images -> features per shard -> predictions of cheap classifiers, scored like a model's

BASELINES = f"{DATASET}/baselines"
REFERENCES = f"{SIGNAL_BASELINE}|{DIGITIZED_BASELINE}"
BASELINE = r"baseline-[a-z]+(-[0-9]+)?"


rule baseline_area:
    input:
        images=shard_files("images/{shard}.npy"),
        indices=shard_files("images/{shard}.index.parquet"),
    output:
        f"{BASELINES}/area.json",
    params:
        preprocess=section("preprocess"),
    message:
        "Locating the traces of {wildcards.dataset}"
    script:
        "../scripts/baseline_area.py"


rule baseline_features:
    input:
        pages=shown_pages,
        records=[] if CONFIG.keep_pages else f"{DATASET}/records.parquet",
        raw=[] if CONFIG.keep_pages else generated_inputs,
        images=f"{DATASET}/images/{{shard}}.npy",
        indices=f"{DATASET}/images/{{shard}}.index.parquet",
        area=f"{BASELINES}/area.json",
    output:
        f"{BASELINES}/{{shard}}.npz",
    params:
        drawing=of_dataset(shown_drawing_of),
    message:
        "Computing the baseline features of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/baseline_features.py"


rule baseline:
    input:
        split=f"{DATASET}/splits/{{protocol}}/seed-{{seed}}.parquet",
        labels=f"{DATASET}/labels.parquet",
        features=shard_files("baselines/{shard}.npz"),
    output:
        f"{RUN}/predictions.parquet",
    wildcard_constraints:
        variant=f"(?!({REFERENCES})/){BASELINE}",
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(60),
    message:
        "Predicting with {wildcards.variant} on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/baseline.py"


rule baseline_signals:
    input:
        records=f"{DATASET}/records.parquet",
        raw=generated_inputs,
    output:
        f"{BASELINES}/{{shard}}.signals.npz",
    wildcard_constraints:
        dataset="|".join(name for name in DATASETS if CONFIG.kind_of(name) == "signals") or "(?!)",
    params:
        source=dataset_attr("source"),
        reading=dataset_attr("read_options"),
        raw_files_hash=raw_files_hash,
    message:
        "Reading the signals of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/baseline_signals.py"


rule baseline_digitized:
    input:
        records=f"{DATASET}/records.parquet",
        digitized=f"{DATASET}/digitized/{{shard}}.npz",
    output:
        f"{BASELINES}/{{shard}}.digitized.npz",
    message:
        "Reading the digitized signals of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/baseline_digitized.py"


rule baseline_reference:
    input:
        split=f"{DATASET}/splits/{{protocol}}/seed-{{seed}}.parquet",
        labels=f"{DATASET}/labels.parquet",
        signals=lambda w: shard_files(
            f"baselines/{{shard}}.{'signals' if w.variant == SIGNAL_BASELINE else 'digitized'}.npz"
        )(w),
    output:
        f"{RUN}/predictions.parquet",
    wildcard_constraints:
        variant=REFERENCES,
    conda:
        "../envs/train.yaml"
    threads: 4
    resources:
        mem_mb=scaled(6000),
        runtime=scaled(120),
        gpu=1,
    message:
        "Training the signal reference ({wildcards.variant}) on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/baseline_reference.py"
