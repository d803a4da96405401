# A split -> a prepared run -> a trained run -> its predictions


rule prepare:
    input:
        split=f"{DATASET}/splits/{{protocol}}/seed-{{seed}}.parquet",
        labels=f"{DATASET}/labels.parquet",
        indices=shard_files("images/{shard}.index.parquet"),
        windows=windows("index.parquet"),
    output:
        run=f"{RUN}/run.json",
        run_index=f"{RUN}/run_index.npz",
    localrule: True
    params:
        model=lambda wildcards: CONFIG.model_of(wildcards.variant).model_dump(mode="json"),
        train=lambda wildcards: CONFIG.train_of(wildcards.variant).model_dump(mode="json"),
        init_from=lambda wildcards: TARGETS.init_weights(wildcards.variant, wildcards.seed),
        continued=continued,
        preprocess=section("preprocess"),
        # how the model's images were drawn, without the path of the raw files
        drawing=lambda wildcards: {k: v for k, v in drawing_of(wildcards.dataset).items() if k != "source"},
    message:
        "Preparing the run {wildcards.dataset}/{wildcards.protocol}/{wildcards.variant}/seed-{wildcards.seed}"
    script:
        "../scripts/prepare.py"


rule train:
    input:
        run=f"{RUN}/run.json",
        run_index=f"{RUN}/run_index.npz",
        images=shard_files("images/{shard}.npy"),
        windows=windows("npy"),
        init_from=lambda wildcards: TARGETS.init_weights(wildcards.variant, wildcards.seed),
        continued=continued,
    output:
        weights=f"{RUN}/weights.safetensors",
        history=f"{RUN}/history.csv",
        summary=f"{RUN}/train.json",
    conda:
        "../envs/train.yaml"
    threads: 8
    resources:
        mem_mb=scaled(8000),
        runtime=scaled(1440),
        gpu=1,
    params:
        plugin=lambda wildcards: file_hash(CONFIG.model_of(wildcards.variant).plugin),
        weights=lambda wildcards: file_hash(CONFIG.model_of(wildcards.variant).weights),
    message:
        "Training {wildcards.variant} on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed}); log: {log}"
    script:
        "../scripts/train.py"


rule predict:
    input:
        run=f"{RUN}/run.json",
        run_index=f"{RUN}/run_index.npz",
        images=shard_files("images/{shard}.npy"),
        windows=windows("npy"),
        weights=f"{RUN}/weights.safetensors",
    output:
        f"{RUN}/predictions.parquet",
    conda:
        "../envs/train.yaml"
    threads: 4
    resources:
        mem_mb=scaled(6000),
        runtime=scaled(120),
        gpu=1,
    message:
        "Predicting with {wildcards.variant} on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/predict.py"
