# records.parquet -> images/<shard>.npy, in place of rules/render.smk and rules/preprocess.smk (keep_pages: false)


rule direct:
    input:
        records=f"{RESULTS}/{{dataset}}/records.parquet",
        raw=made_input,
    output:
        images=f"{RESULTS}/{{dataset}}/images/{{shard}}.npy",
        indices=f"{RESULTS}/{{dataset}}/images/{{shard}}.index.parquet",
        render_problems=f"{RESULTS}/{{dataset}}/pages/{{shard}}.problems.parquet",
        problems=f"{RESULTS}/{{dataset}}/images/{{shard}}.problems.parquet",
    log:
        f"{RESULTS}/logs/direct/{{dataset}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/direct/{{dataset}}/{{shard}}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    params:
        drawing=lambda wildcards: drawing_of(wildcards.dataset),
        raw_files_hash=raw_files_hash,
        preprocess=section("preprocess"),
        layout=lambda wildcards: file_hash(CONFIG.render.layout) if is_drawn(wildcards.dataset) else "",
        code=code("direct.py"),
    message:
        "Drawing the images of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/direct.py"
