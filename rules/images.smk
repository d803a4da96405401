# records.parquet -> pages/<shard>.parquet (with keep_pages: true) -> images/<shard>.npy
# With preprocess.from: digitized, digitized/<shard>.npz is between pages and images.
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
            drawing=of_dataset(drawing_of),
            layout=layout_hash,
            kit=lambda w: kit_version() if CONFIG.kind_of(w.dataset) == "signals" else "",
            raw_files_hash=raw_files_hash,
        message:
            "Drawing the pages of {wildcards.dataset}, shard {wildcards.shard}"
        script:
            "../scripts/render.py"


# For any dataset: pages -> recordings (target `digitized`; preprocess.from: digitized)
rule digitize:
    input:
        pages=f"{DATASET}/pages/{{shard}}.parquet" if CONFIG.keep_pages else [],
        records=f"{DATASET}/records.parquet",
        raw=[] if CONFIG.keep_pages else generated_inputs,
    output:
        digitized=f"{DATASET}/digitized/{{shard}}.npz",
        problems=f"{DATASET}/digitized/{{shard}}.problems.parquet",
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=scaled(3000),
        runtime=scaled(120),
    params:
        drawing=of_dataset(drawing_of),
        layout=lambda w: None if CONFIG.keep_pages else layout_hash(w),
        raw_files_hash=lambda w: None if CONFIG.keep_pages else raw_files_hash(w),
        reader_weights=CONFIG.preprocess.reader_weights,
        weights=lambda w: weights_hash(),
    message:
        "Digitizing the pages of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/digitize.py"


rule preprocess:
    input:
        pages=lambda w: [] if CONFIG.draws_images(w.dataset) else shown_pages(w),
        records=f"{DATASET}/records.parquet",
        raw=lambda w: generated_inputs(w) if CONFIG.draws_images(w.dataset) else [],
    output:
        images=f"{DATASET}/images/{{shard}}.npy",
        indices=f"{DATASET}/images/{{shard}}.index.parquet",
        problems=f"{DATASET}/images/{{shard}}.problems.parquet",
    conda:
        "../envs/train.yaml"
    resources:
        runtime=scaled(60),
    params:
        preprocess=section("preprocess"),
        drawing=lambda w: (shown_drawing_of if CONFIG.digitizes(w.dataset) else drawing_of)(w.dataset),
        layout=lambda w: layout_hash(w) if CONFIG.draws_images(w.dataset) or CONFIG.digitizes(w.dataset) else None,
        raw_files_hash=lambda w: raw_files_hash(w) if CONFIG.draws_images(w.dataset) else None,
        weights=lambda w: None if CONFIG.digitizes(w.dataset) else reader_hash(w),
    message:
        "Making the images of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/preprocess.py"


# Further pages of training records, which begin later in the recordings (train.windows)
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
    conda:
        "../envs/train.yaml"
    resources:
        runtime=scaled(60),
    params:
        preprocess=section("preprocess"),
        drawing=of_dataset(drawing_of),
        layout=layout_hash,
        raw_files_hash=raw_files_hash,
        weights=reader_hash,
        start=lambda wildcards: (int(wildcards.number) - 1) / int(wildcards.windows),
    message:
        "Drawing window {wildcards.number} of {wildcards.windows} of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/preprocess.py"
