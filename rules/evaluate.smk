# predictions.parquet -> metrics.json; predictions of all models -> comparisons -> verdicts on the paper's claims

COMPARISONS = f"{RESULTS}/{{dataset}}/comparisons"


rule evaluate:
    input:
        predictions=f"{RUN}/predictions.parquet",
        records=f"{RESULTS}/{{dataset}}/records.parquet",
        duplicates=duplicates_of_scores,
    output:
        f"{RUN}/metrics.json",
    log:
        f"{RESULTS}/logs/evaluate/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.tsv"
    wildcard_constraints:
        variant=rf"[A-Za-z0-9_.+]+|{BASELINE}",
    conda:
        "../envs/data.yaml"
    params:
        evaluate=evaluate_keys("resamples", "confidence", "threshold", "seed", "bins", "specificities"),
        code=code("evaluate.py"),
    message:
        "Scoring {wildcards.variant} on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/evaluate.py"


rule compare_models:
    input:
        predictions=predictions_of_protocol,
        records=f"{RESULTS}/{{dataset}}/records.parquet",
        duplicates=duplicates_of_scores,
    output:
        comparisons=f"{COMPARISONS}/{{whole}}.json",
        table=f"{COMPARISONS}/{{whole}}.csv",
    log:
        f"{RESULTS}/logs/compare_models/{{dataset}}/{{whole}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_models/{{dataset}}/{{whole}}.tsv"
    wildcard_constraints:
        whole=r"(?!protocols)[a-z]+(-cv\d+)?",
    conda:
        "../envs/data.yaml"
    params:
        evaluate=evaluate_keys("resamples", "confidence", "threshold", "seed", "bins", "reference", "power"),
        code=code("compare_models.py"),
    message:
        "Comparing the models on {wildcards.dataset} ({wildcards.whole})"
    script:
        "../scripts/compare_models.py"


rule compare_protocols:
    input:
        unpack(predictions_by_protocol),
        records=f"{RESULTS}/{{dataset}}/records.parquet",
        duplicates=duplicates_of_scores,
    output:
        comparisons=f"{COMPARISONS}/protocols.json",
        table=f"{COMPARISONS}/protocols.csv",
    log:
        f"{RESULTS}/logs/compare_protocols/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_protocols/{{dataset}}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        evaluate=evaluate_keys("resamples", "confidence", "threshold", "seed", "bins"),
        protocols=lambda wildcards: CONFIG.benchmark.of(wildcards.dataset).protocols,
        code=code("compare_protocols.py"),
    message:
        "Comparing the protocols of {wildcards.dataset}"
    script:
        "../scripts/compare_protocols.py"


rule claims:
    input:
        comparisons=every_comparison(),
        runs=every_run("run.json"),
        labels=every_dataset("labels.json"),
        saliency=saliency_of_claims(),
        records=every_dataset("records.parquet"),
    output:
        claims=f"{RESULTS}/report/claims.json",
        table=report(f"{RESULTS}/report/claims.csv", caption="../report/claims.rst", category="Tables"),
    log:
        f"{RESULTS}/logs/claims.log",
    benchmark:
        f"{RESULTS}/benchmarks/claims.tsv"
    conda:
        "../envs/data.yaml"
    params:
        evaluate=evaluate_keys("resamples", "confidence", "seed", "margin"),
        paper=file_hash(f"{SOURCE}/ecgpipe/paper/claims.yaml"),
        code=code("claims.py"),
    message:
        "Checking the paper's claims"
    script:
        "../scripts/claims.py"
