# Baselines: pages and images -> features per shard -> predictions of cheap classifiers, scored like a model's

BASELINES = f"{RESULTS}/{{dataset}}/baselines"
BASELINE = r"baseline-[a-z]+(-[0-9]+)?"
SIGNAL_REFERENCE = "baseline-signal"


rule baseline_area:
    input:
        images=shard_files("images/{shard}.npy"),
    output:
        f"{BASELINES}/area.json",
    log:
        f"{RESULTS}/logs/baseline_area/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/baseline_area/{{dataset}}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        preprocess=section("preprocess"),
        code=code("baseline_area.py"),
    message:
        "Finding where the traces of {wildcards.dataset} are"
    script:
        "../scripts/baseline_area.py"


rule baseline_features:
    input:
        pages=f"{RESULTS}/{{dataset}}/pages/{{shard}}.parquet" if CONFIG.keep_pages else [],
        records=records_to_draw,
        raw=raw_to_draw,
        images=f"{RESULTS}/{{dataset}}/images/{{shard}}.npy",
        indices=f"{RESULTS}/{{dataset}}/images/{{shard}}.index.parquet",
        area=f"{BASELINES}/area.json",
    output:
        f"{BASELINES}/{{shard}}.npz",
    log:
        f"{RESULTS}/logs/baseline_features/{{dataset}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/baseline_features/{{dataset}}/{{shard}}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        baselines=CONFIG.baselines.model_dump(mode="json", include={"thumbnail", "outside"}),
        drawing=lambda wildcards: drawing_if_none_kept(wildcards.dataset),
        code=code("baseline_features.py"),
    message:
        "Thumbnails for the baselines of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/baseline_features.py"


rule baseline:
    input:
        split=f"{RESULTS}/{{dataset}}/splits/{{protocol}}/seed-{{seed}}.parquet",
        labels=f"{RESULTS}/{{dataset}}/labels.parquet",
        features=shard_files("baselines/{shard}.npz"),
    output:
        f"{RUN}/predictions.parquet",
    log:
        f"{RESULTS}/logs/baseline/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/baseline/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.tsv"
    wildcard_constraints:
        variant=f"(?!{SIGNAL_REFERENCE}/){BASELINE}",
    conda:
        "../envs/data.yaml"
    params:
        baselines=CONFIG.baselines.model_dump(mode="json", include={"components", "regularisation"}),
        code=code("baseline.py"),
    message:
        "{wildcards.variant} on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/baseline.py"


rule baseline_signals:
    input:
        records=f"{RESULTS}/{{dataset}}/records.parquet",
        raw=made_input,
    output:
        f"{BASELINES}/{{shard}}.signals.npz",
    log:
        f"{RESULTS}/logs/baseline_signals/{{dataset}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/baseline_signals/{{dataset}}/{{shard}}.tsv"
    wildcard_constraints:
        dataset=of_datasets(kind="signals"),
    conda:
        "../envs/data.yaml"
    params:
        source=dataset_attr("source"),
        reading=dataset_attr("read_options"),
        raw_files_hash=raw_files_hash,
        code=code("baseline_signals.py"),
    message:
        "Signals for the reference of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/baseline_signals.py"


rule baseline_reference:
    input:
        split=f"{RESULTS}/{{dataset}}/splits/{{protocol}}/seed-{{seed}}.parquet",
        labels=f"{RESULTS}/{{dataset}}/labels.parquet",
        signals=shard_files("baselines/{shard}.signals.npz"),
    output:
        f"{RESULTS}/{{dataset}}/{{protocol}}/{SIGNAL_REFERENCE}/seed-{{seed}}/predictions.parquet",
    log:
        f"{RESULTS}/logs/baseline_reference/{{dataset}}/{{protocol}}/seed-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/baseline_reference/{{dataset}}/{{protocol}}/seed-{{seed}}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    params:
        epochs=CONFIG.baselines.epochs,
        code=code("baseline_reference.py"),
    message:
        "The signal reference on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/baseline_reference.py"
