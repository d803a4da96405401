# records.parquet -> pages/<shard>.parquet


rule render:
    input:
        records=f"{RESULTS}/{{dataset}}/records.parquet",
        raw=made_input,
    output:
        pages=f"{RESULTS}/{{dataset}}/pages/{{shard}}.parquet",
        problems=f"{RESULTS}/{{dataset}}/pages/{{shard}}.problems.parquet",
    log:
        f"{RESULTS}/logs/render/{{dataset}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/render/{{dataset}}/{{shard}}.tsv"
    wildcard_constraints:
        dataset=of_datasets(kind="signals"),
    conda:
        "../envs/data.yaml"
    threads: 1
    params:
        source=dataset_attr("source"),
        reading=dataset_attr("read_options"),
        raw_files_hash=raw_files_hash,
        render=section("render"),
        layout=file_hash(CONFIG.render.layout),
        code=code("render.py"),
    message:
        "Drawing the pages of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/render.py"


rule collect:
    input:
        records=f"{RESULTS}/{{dataset}}/records.parquet",
        raw=made_input,
    output:
        pages=f"{RESULTS}/{{dataset}}/pages/{{shard}}.parquet",
        problems=f"{RESULTS}/{{dataset}}/pages/{{shard}}.problems.parquet",
    log:
        f"{RESULTS}/logs/collect/{{dataset}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/collect/{{dataset}}/{{shard}}.tsv"
    wildcard_constraints:
        dataset=of_datasets(kind="images"),
    conda:
        "../envs/data.yaml"
    params:
        source=dataset_attr("source"),
        raw_files_hash=raw_files_hash,
        code=code("collect.py"),
    message:
        "Collecting the pages of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/collect.py"
