# labels.parquet, and the index of images -> splits/<protocol>/seed-<n>.parquet


rule split:
    input:
        records=f"{DATASET}/records.parquet",
        labels=f"{DATASET}/labels.parquet",
        indices=shard_files("images/{shard}.index.parquet"),
        # the protocol `unique` keeps duplicates together
        duplicates=lambda wildcards: (
            f"{RESULTS}/{wildcards.dataset}/audit/duplicates.parquet"
            if base_protocol(wildcards.protocol) == "unique"
            else duplicates_of(wildcards.dataset)
        ),
    output:
        split=f"{DATASET}/splits/{{protocol}}/seed-{{seed}}.parquet",
        counts=f"{DATASET}/splits/{{protocol}}/seed-{{seed}}.json",
    localrule: True
    params:
        split=lambda wildcards: CONFIG.split.of(wildcards.protocol),
    message:
        "Splitting {wildcards.dataset} by the protocol {wildcards.protocol}, seed {wildcards.seed}"
    script:
        "../scripts/split.py"
