# Raw files and records.parquet -> duplicates, anomalies; with the splits -> leaks

AUDIT = f"{DATASET}/audit"


rule audit_sketch:
    input:
        records=f"{DATASET}/records.parquet",
        made=generated_inputs,
    output:
        f"{AUDIT}/{{shard}}.parquet",
    params:
        source=dataset_attr("source"),
        reading=dataset_attr("read_options"),
        raw_files_hash=raw_files_hash,
    message:
        "Sketching the raw files of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/audit_sketch.py"


rule audit_join:
    input:
        records=f"{DATASET}/records.parquet",
        sketches=shard_files("audit/{shard}.parquet"),
    output:
        duplicates=f"{AUDIT}/duplicates.parquet",
        pairs=f"{AUDIT}/pairs.parquet",
        anomalies=f"{AUDIT}/anomalies.parquet",
        summary=f"{AUDIT}/audit.json",
    resources:
        runtime=scaled(60),
    message:
        "Auditing {wildcards.dataset}"
    script:
        "../scripts/audit_join.py"


rule audit_leaks:
    input:
        records=f"{DATASET}/records.parquet",
        duplicates=f"{AUDIT}/duplicates.parquet",
        splits=lambda wildcards: TARGETS.splits(wildcards.dataset),
    output:
        f"{AUDIT}/leaks.json",
    localrule: True
    message:
        "Counting duplicates across the splits of {wildcards.dataset}"
    script:
        "../scripts/audit_leaks.py"
