# Control experiments: pages and images -> features per shard -> predictions of cheap classifiers, scored like a model's

CONTROLS = f"{RESULTS}/{{dataset}}/control"
CONTROL = r"control-[a-z]+(-[0-9]+)?"
SIGNAL_REFERENCE = "control-signal"


rule control_area:
    input:
        images=shard_files("images/{shard}.npy"),
    output:
        f"{CONTROLS}/area.json",
    log:
        f"{RESULTS}/logs/control_area/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/control_area/{{dataset}}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        preprocess=section("preprocess"),
        code=code("control_area.py"),
    message:
        "Finding where the traces of {wildcards.dataset} are"
    script:
        "../scripts/control_area.py"


rule control_features:
    input:
        pages=f"{RESULTS}/{{dataset}}/pages/{{shard}}.parquet" if CONFIG.keep_pages else [],
        records=records_to_draw,
        raw=raw_to_draw,
        images=f"{RESULTS}/{{dataset}}/images/{{shard}}.npy",
        indices=f"{RESULTS}/{{dataset}}/images/{{shard}}.index.parquet",
        area=f"{CONTROLS}/area.json",
    output:
        f"{CONTROLS}/{{shard}}.npz",
    log:
        f"{RESULTS}/logs/control_features/{{dataset}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/control_features/{{dataset}}/{{shard}}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        control=CONFIG.control.model_dump(mode="json", include={"thumbnail", "outside"}),
        drawing=lambda wildcards: drawing_if_none_kept(wildcards.dataset),
        code=code("control_features.py"),
    message:
        "Thumbnails for the controls of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/control_features.py"


rule control:
    input:
        split=f"{RESULTS}/{{dataset}}/splits/{{protocol}}/seed-{{seed}}.parquet",
        labels=f"{RESULTS}/{{dataset}}/labels.parquet",
        features=shard_files("control/{shard}.npz"),
    output:
        f"{RUN}/predictions.parquet",
    log:
        f"{RESULTS}/logs/control/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/control/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.tsv"
    wildcard_constraints:
        variant=f"(?!{SIGNAL_REFERENCE}/){CONTROL}",
    conda:
        "../envs/data.yaml"
    params:
        control=CONFIG.control.model_dump(mode="json", include={"components", "regularisation"}),
        code=code("control.py"),
    message:
        "{wildcards.variant} on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/control.py"


rule control_signals:
    input:
        records=f"{RESULTS}/{{dataset}}/records.parquet",
        raw=made_input,
    output:
        f"{CONTROLS}/{{shard}}.signals.npz",
    log:
        f"{RESULTS}/logs/control_signals/{{dataset}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/control_signals/{{dataset}}/{{shard}}.tsv"
    wildcard_constraints:
        dataset=of_datasets(raw="signals"),
    conda:
        "../envs/data.yaml"
    params:
        source=of_dataset("source"),
        reading=of_dataset("reading"),
        stamp=stamp,
        code=code("control_signals.py"),
    message:
        "Signals for the reference of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/control_signals.py"


rule control_reference:
    input:
        split=f"{RESULTS}/{{dataset}}/splits/{{protocol}}/seed-{{seed}}.parquet",
        labels=f"{RESULTS}/{{dataset}}/labels.parquet",
        signals=shard_files("control/{shard}.signals.npz"),
    output:
        f"{RESULTS}/{{dataset}}/{{protocol}}/{SIGNAL_REFERENCE}/seed-{{seed}}/predictions.parquet",
    log:
        f"{RESULTS}/logs/control_reference/{{dataset}}/{{protocol}}/seed-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/control_reference/{{dataset}}/{{protocol}}/seed-{{seed}}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    params:
        epochs=CONFIG.control.epochs,
        code=code("control_reference.py"),
    message:
        "The signal reference on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/control_reference.py"
