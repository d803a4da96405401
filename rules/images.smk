# records.parquet -> pages/<shard>.parquet (with keep_pages: true) -> images/<shard>.npy
# Images of undegraded records are drawn without pages (CONFIG.draws_images).

if CONFIG.keep_pages:

    rule render:
        input:
            records=f"{DATASET}/records.parquet",
            raw=generated_inputs,
        output:
            pages=f"{DATASET}/pages/{{shard}}.parquet",
            problems=f"{DATASET}/pages/{{shard}}.problems.parquet",
        resources:
            runtime=scaled(60),
        params:
            drawing=drawing,
            layout=layout_hash,
            raw_files_hash=raw_files_hash,
        message:
            "Drawing the pages of {wildcards.dataset}, shard {wildcards.shard}"
        script:
            "../scripts/render.py"


rule preprocess:
    input:
        pages=lambda w: [] if CONFIG.draws_images(w.dataset) else f"{RESULTS}/{w.dataset}/pages/{w.shard}.parquet",
        records=f"{DATASET}/records.parquet",
        raw=lambda w: generated_inputs(w) if CONFIG.draws_images(w.dataset) else [],
    output:
        images=f"{DATASET}/images/{{shard}}.npy",
        indices=f"{DATASET}/images/{{shard}}.index.parquet",
        problems=f"{DATASET}/images/{{shard}}.problems.parquet",
    resources:
        runtime=scaled(60),
    params:
        preprocess=section("preprocess"),
        drawing=drawing,
        layout=lambda w: layout_hash(w) if CONFIG.draws_images(w.dataset) else None,
        raw_files_hash=lambda w: raw_files_hash(w) if CONFIG.draws_images(w.dataset) else None,
        weights=lambda w: file_hash(CONFIG.preprocess.reader_weights),
    message:
        "Making the images of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/preprocess.py"


# Pages of training records that begin later in the recordings (train.windows)
rule window:
    input:
        records=f"{DATASET}/records.parquet",
        raw=generated_inputs,
    output:
        images=f"{DATASET}/windows/{{number}}-of-{{windows}}/{{shard}}.npy",
        indices=f"{DATASET}/windows/{{number}}-of-{{windows}}/{{shard}}.index.parquet",
        problems=f"{DATASET}/windows/{{number}}-of-{{windows}}/{{shard}}.problems.parquet",
    wildcard_constraints:
        number=r"[1-9]\d*",
        windows=r"[1-9]\d*",
    resources:
        runtime=scaled(60),
    params:
        preprocess=section("preprocess"),
        drawing=drawing,
        layout=layout_hash,
        raw_files_hash=raw_files_hash,
        start=lambda wildcards: (int(wildcards.number) - 1) / int(wildcards.windows),
    message:
        "Drawing window {wildcards.number} of {wildcards.windows} of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/preprocess.py"
