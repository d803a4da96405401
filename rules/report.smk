# Everything -> results/report: one HTML page, tables and figures


rule strict:
    input:
        every_problems_table(),
    output:
        touch(f"{RESULTS}/strict.ok"),
    log:
        f"{RESULTS}/logs/strict.log",
    benchmark:
        f"{RESULTS}/benchmarks/strict.tsv"
    conda:
        "../envs/data.yaml"
    message:
        "Checking that nothing was left out (strict: true)"
    script:
        "../scripts/strict.py"


rule report:
    input:
        records=every_dataset("records.parquet"),
        labels=every_dataset("labels.json"),
        problems=every_problems_table(),
        splits=[file.replace(".parquet", ".json") for file in every_split()],
        pages=every_shard("pages/{shard}.parquet") if CONFIG.keep_pages else [],
        raw=[] if CONFIG.keep_pages else [file for dataset in DATASETS.values() for file in dataset.generated_inputs()],
        images=every_shard("images/{shard}.npy"),
        indices=every_shard("images/{shard}.index.parquet"),
        label_tables=every_dataset("labels.parquet"),
        metrics=every_run("metrics.json"),
        predictions=every_run("predictions.parquet"),
        histories=every_run("history.csv"),
        summaries=every_run("train.json"),
        overlays=explained_runs("saliency.png"),
        saliency=explained_runs("saliency.json"),
        maps=explained_runs("saliency.npz"),
        baselines=every_baseline(),
        comparisons=every_comparison(),
        protocols=every_dataset("comparisons/protocols.json"),
        claims=f"{RESULTS}/report/claims.json",
        audits=every_dataset("audit/audit.json"),
        leaks=every_dataset("audit/leaks.json"),
        duplicates=every_dataset("audit/duplicates.parquet"),
    output:
        page=report(f"{RESULTS}/report/index.html", caption="../report/report.rst", category="Report"),
        scores=report(f"{RESULTS}/report/scores.csv", caption="../report/scores.rst", category="Tables"),
        problems=report(f"{RESULTS}/report/problems.csv", caption="../report/problems.rst", category="Tables"),
        tables=report(
            directory(f"{RESULTS}/report/tables"),
            patterns=["{table}.csv"],
            caption="../report/tables.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/report.tsv"
    conda:
        "../envs/data.yaml"
    params:
        report=section("report"),
        datasets=list(CONFIG.datasets),
        titles={name: each.title for name, each in CONFIG.own.items() if each.title and name in CONFIG.datasets},
        drawing={dataset: drawing_if_none_kept(dataset) for dataset in CONFIG.datasets},
        margins=CONFIG.preprocess.margins,
        configuration=CONFIG.model_dump(mode="json", by_alias=True, exclude={"strict"}),  # the page states all of it
        code=code("report.py"),
    message:
        "Writing the report"
    script:
        "../scripts/report.py"
