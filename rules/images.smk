# records.parquet -> pages/<shard>.parquet (with keep_pages: true) -> images/<shard>.npy

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
        pages=f"{DATASET}/pages/{{shard}}.parquet" if CONFIG.keep_pages else [],
        records=f"{DATASET}/records.parquet",
        raw=[] if CONFIG.keep_pages else generated_inputs,
    output:
        images=f"{DATASET}/images/{{shard}}.npy",
        indices=f"{DATASET}/images/{{shard}}.index.parquet",
        problems=f"{DATASET}/images/{{shard}}.problems.parquet",
    resources:
        runtime=scaled(60),
    params:
        preprocess=section("preprocess"),
        drawing=drawing,
        layout=None if CONFIG.keep_pages else layout_hash,
        raw_files_hash=None if CONFIG.keep_pages else raw_files_hash,
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
