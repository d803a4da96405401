# Raw files and records.parquet -> copies, anomalies; with the splits -> leaks

AUDIT = f"{RESULTS}/{{dataset}}/audit"


rule audit_sketch:
    input:
        records=f"{RESULTS}/{{dataset}}/records.parquet",
        made=made_input,
    output:
        f"{AUDIT}/{{shard}}.parquet",
    log:
        f"{RESULTS}/logs/audit_sketch/{{dataset}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/audit_sketch/{{dataset}}/{{shard}}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        source=dataset_attr("source"),
        reading=dataset_attr("read_options"),
        raw_files_hash=raw_files_hash,
        code=code("audit_sketch.py"),
    message:
        "Looking at the raw files of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/audit_sketch.py"


rule audit_join:
    input:
        records=f"{RESULTS}/{{dataset}}/records.parquet",
        sketches=shard_files("audit/{shard}.parquet"),
    output:
        duplicates=f"{AUDIT}/duplicates.parquet",
        pairs=f"{AUDIT}/pairs.parquet",
        anomalies=f"{AUDIT}/anomalies.parquet",
        summary=f"{AUDIT}/audit.json",
    log:
        f"{RESULTS}/logs/audit_join/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/audit_join/{{dataset}}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        code=code("audit_join.py"),
    message:
        "Auditing {wildcards.dataset}"
    script:
        "../scripts/audit_join.py"


rule audit_leaks:
    input:
        records=f"{RESULTS}/{{dataset}}/records.parquet",
        duplicates=f"{AUDIT}/duplicates.parquet",
        splits=splits_of,
    output:
        f"{AUDIT}/leaks.json",
    log:
        f"{RESULTS}/logs/audit_leaks/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/audit_leaks/{{dataset}}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        code=code("audit_leaks.py"),
    message:
        "Counting copies across the splits of {wildcards.dataset}"
    script:
        "../scripts/audit_leaks.py"
