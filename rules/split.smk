# labels.parquet and the images that there are -> splits/<protocol>/seed-<n>.parquet


rule split:
    input:
        records=f"{RESULTS}/{{dataset}}/records.parquet",
        labels=f"{RESULTS}/{{dataset}}/labels.parquet",
        indices=shard_files("images/{shard}.index.parquet"),
        duplicates=duplicates_of_split,
    output:
        split=f"{RESULTS}/{{dataset}}/splits/{{protocol}}/seed-{{seed}}.parquet",
        counts=f"{RESULTS}/{{dataset}}/splits/{{protocol}}/seed-{{seed}}.json",
    log:
        f"{RESULTS}/logs/split/{{dataset}}/{{protocol}}/seed-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/split/{{dataset}}/{{protocol}}/seed-{{seed}}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        split=lambda wildcards: CONFIG.split.of(wildcards.protocol),
        code=code("split.py"),
    message:
        "Splitting {wildcards.dataset} by the protocol {wildcards.protocol}, seed {wildcards.seed}"
    script:
        "../scripts/split.py"
