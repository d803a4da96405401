# A split -> a prepared run -> a trained run -> its predictions

RUN = f"{RESULTS}/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}"


# Pages of training records that begin later in the recordings (train.windows)
rule window:
    input:
        records=f"{RESULTS}/{{dataset}}/records.parquet",
        raw=made_input,
    output:
        images=f"{RESULTS}/{{dataset}}/windows/{{number}}-of-{{windows}}/{{shard}}.npy",
        indices=f"{RESULTS}/{{dataset}}/windows/{{number}}-of-{{windows}}/{{shard}}.index.parquet",
        render_problems=f"{RESULTS}/{{dataset}}/windows/{{number}}-of-{{windows}}/{{shard}}.pages.problems.parquet",
        problems=f"{RESULTS}/{{dataset}}/windows/{{number}}-of-{{windows}}/{{shard}}.problems.parquet",
    log:
        f"{RESULTS}/logs/window/{{dataset}}/{{number}}-of-{{windows}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/window/{{dataset}}/{{number}}-of-{{windows}}/{{shard}}.tsv"
    wildcard_constraints:
        number=r"[1-9]\d*",
        windows=r"[1-9]\d*",
    conda:
        "../envs/data.yaml"
    threads: 1
    params:
        drawing=lambda wildcards: drawing_of(wildcards.dataset),
        raw_files_hash=raw_files_hash,
        preprocess=section("preprocess"),
        layout=lambda wildcards: file_hash(CONFIG.render.layout),
        start=lambda wildcards: (int(wildcards.number) - 1) / int(wildcards.windows),
        code=code("direct.py"),
    message:
        "Drawing window {wildcards.number} of {wildcards.windows} of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/direct.py"


rule prepare:
    input:
        split=f"{RESULTS}/{{dataset}}/splits/{{protocol}}/seed-{{seed}}.parquet",
        labels=f"{RESULTS}/{{dataset}}/labels.parquet",
        indices=shard_files("images/{shard}.index.parquet"),
        windows=windows_of("index.parquet"),
    output:
        run=f"{RUN}/run.json",
        run_index=f"{RUN}/run_index.npz",
    log:
        f"{RESULTS}/logs/prepare/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/prepare/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        model=lambda wildcards: CONFIG.model_of(wildcards.variant).model_dump(mode="json"),
        train=lambda wildcards: CONFIG.train_of(wildcards.variant).model_dump(mode="json"),
        init_from=initial_weights,
        preprocess=section("preprocess"),
        drawing=lambda wildcards: drawing_noted(wildcards.dataset),
        code=code("prepare.py"),
    message:
        "Preparing the run {wildcards.dataset}/{wildcards.protocol}/{wildcards.variant}/seed-{wildcards.seed}"
    script:
        "../scripts/prepare.py"


rule train:
    input:
        run=f"{RUN}/run.json",
        run_index=f"{RUN}/run_index.npz",
        images=shard_files("images/{shard}.npy"),
        windows=windows_of("npy"),
        init_from=initial_weights,
    output:
        weights=f"{RUN}/weights.safetensors",
        history=f"{RUN}/history.csv",
        summary=f"{RUN}/train.json",
    log:
        f"{RESULTS}/logs/train/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    params:
        plugin=lambda wildcards: plugin_mark(wildcards.variant),
        code=code("train.py"),
    message:
        "Training {wildcards.variant} on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/train.py"


rule predict:
    input:
        run=f"{RUN}/run.json",
        run_index=f"{RUN}/run_index.npz",
        images=shard_files("images/{shard}.npy"),
        windows=windows_of("npy"),
        weights=f"{RUN}/weights.safetensors",
    output:
        f"{RUN}/predictions.parquet",
    log:
        f"{RESULTS}/logs/predict/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predict/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    params:
        code=code("predict.py"),
    message:
        "Predicting with {wildcards.variant} on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/predict.py"
