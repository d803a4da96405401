# predictions.parquet -> metrics.json; predictions of all models -> comparisons -> verdicts on the paper's claims

COMPARISONS = f"{DATASET}/comparisons"


rule evaluate:
    input:
        predictions=f"{RUN}/predictions.parquet",
        records=f"{DATASET}/records.parquet",
        duplicates=of_dataset(duplicates_of),
    output:
        f"{RUN}/metrics.json",
    wildcard_constraints:
        variant=rf"[A-Za-z0-9_.+]+|{BASELINE}",
    resources:
        runtime=scaled(60),
    params:
        evaluate=section(
            "evaluate",
            "resamples",
            "confidence",
            "threshold",
            "seed",
            "specificities",
        ),
    message:
        "Scoring {wildcards.variant} on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/evaluate.py"


rule compare_models:
    input:
        predictions=lambda wildcards: TARGETS.predictions(wildcards.dataset, wildcards.whole),
        baselines=lambda wildcards: TARGETS.baseline_predictions(wildcards.dataset, wildcards.whole),
        records=f"{DATASET}/records.parquet",
        duplicates=of_dataset(duplicates_of),
    output:
        comparisons=f"{COMPARISONS}/{{whole}}.json",
        table=f"{COMPARISONS}/{{whole}}.csv",
    wildcard_constraints:
        whole=r"(?!protocols)[a-z]+(-cv\d+)?",
    resources:
        mem_mb=scaled(3000),
        runtime=scaled(120),
    params:
        evaluate=section(
            "evaluate",
            "resamples",
            "confidence",
            "threshold",
            "seed",
            "reference",
            "planned",
        ),
    message:
        "Comparing the models on {wildcards.dataset} ({wildcards.whole})"
    script:
        "../scripts/compare_models.py"


rule compare_protocols:
    input:
        unpack(lambda wildcards: TARGETS.predictions_by_protocol(wildcards.dataset)),
        records=f"{DATASET}/records.parquet",
        duplicates=of_dataset(duplicates_of),
    output:
        comparisons=f"{COMPARISONS}/protocols.json",
        table=f"{COMPARISONS}/protocols.csv",
    resources:
        mem_mb=scaled(3000),
        runtime=scaled(60),
    params:
        evaluate=section("evaluate", "resamples", "confidence", "threshold", "seed"),
        protocols=lambda wildcards: CONFIG.benchmark.of(wildcards.dataset).protocols,
    message:
        "Comparing the protocols of {wildcards.dataset}"
    script:
        "../scripts/compare_protocols.py"


rule claims:
    input:
        comparisons=TARGETS.comparisons(),
        runs=TARGETS.runs("run.json"),
        labels=TARGETS.of_datasets("labels.json"),
        saliency=TARGETS.saliency_of(load_paper().claims),
        records=TARGETS.of_datasets("records.parquet"),
    output:
        claims=f"{RESULTS}/report/claims.json",
        table=report(
            f"{RESULTS}/report/claims.csv",
            caption="../report/claims.rst",
            category="Tables",
        ),
    localrule: True
    params:
        evaluate=section("evaluate", "resamples", "confidence", "seed", "margin"),
    message:
        "Checking the paper's claims"
    script:
        "../scripts/claims.py"
