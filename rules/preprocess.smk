# pages/<shard>.parquet -> images/<shard>.npy


rule preprocess:
    input:
        pages=f"{RESULTS}/{{dataset}}/pages/{{shard}}.parquet",
    output:
        images=f"{RESULTS}/{{dataset}}/images/{{shard}}.npy",
        indices=f"{RESULTS}/{{dataset}}/images/{{shard}}.index.parquet",
        problems=f"{RESULTS}/{{dataset}}/images/{{shard}}.problems.parquet",
    log:
        f"{RESULTS}/logs/preprocess/{{dataset}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/preprocess/{{dataset}}/{{shard}}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    params:
        preprocess=section("preprocess"),
        code=code("preprocess.py"),
    message:
        "Preprocessing the pages of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/preprocess.py"
