# predictions.parquet -> metrics.json


rule evaluate:
    input:
        predictions=f"{RUN}/predictions.parquet",
        records=f"{RESULTS}/{{dataset}}/records.parquet",
    output:
        f"{RUN}/metrics.json",
    log:
        f"{RESULTS}/logs/evaluate/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.tsv"
    wildcard_constraints:
        variant=rf"[A-Za-z0-9_.]+|{CONTROL}",
    conda:
        "../envs/data.yaml"
    params:
        evaluate=section("evaluate"),
        code=code("evaluate.py"),
    message:
        "Scoring {wildcards.variant} on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/evaluate.py"
