# Everything -> results/report: one HTML page, tables and figures


rule strict:
    input:
        TARGETS.problems(),
    output:
        touch(f"{RESULTS}/strict.ok"),
    localrule: True
    message:
        "Checking that nothing was left out (strict: true)"
    script:
        "../scripts/strict.py"


rule report:
    input:
        records=TARGETS.of_datasets("records.parquet"),
        labels=TARGETS.of_datasets("labels.json"),
        problems=TARGETS.problems(),
        splits=[file.replace(".parquet", ".json") for file in TARGETS.splits()],
        pages=[file for dataset in CONFIG.datasets for file in TARGETS.shown_pages(dataset)],
        raw=(
            [] if CONFIG.keep_pages else [file for dataset in DATASETS.values() for file in dataset.generated_inputs()]
        ),
        images=TARGETS.of_shards("images/{shard}.npy"),
        indices=TARGETS.of_shards("images/{shard}.index.parquet"),
        label_tables=TARGETS.of_datasets("labels.parquet"),
        metrics=TARGETS.runs("metrics.json"),
        predictions=TARGETS.runs("predictions.parquet"),
        histories=TARGETS.runs("history.csv"),
        summaries=TARGETS.runs("train.json"),
        overlays=TARGETS.explained("saliency.png"),
        saliency=TARGETS.explained("saliency.json"),
        maps=TARGETS.explained("saliency.npz"),
        baselines=TARGETS.baselines(),
        comparisons=TARGETS.comparisons(),
        protocols=TARGETS.of_datasets("comparisons/protocols.json"),
        external=TARGETS.externals(),
        claims=f"{RESULTS}/report/claims.json",
        audits=TARGETS.of_datasets("audit/audit.json"),
        leaks=TARGETS.of_datasets("audit/leaks.json"),
        duplicates=TARGETS.of_datasets("audit/duplicates.parquet"),
    output:
        page=report(
            f"{RESULTS}/report/index.html",
            caption="../report/report.rst",
            category="Report",
        ),
        content=f"{RESULTS}/report/report.json",
        figures=directory(f"{RESULTS}/report/figures"),
        scores=report(
            f"{RESULTS}/report/scores.csv",
            caption="../report/scores.rst",
            category="Tables",
        ),
        problems=report(
            f"{RESULTS}/report/problems.csv",
            caption="../report/problems.rst",
            category="Tables",
        ),
        tables=report(
            directory(f"{RESULTS}/report/tables"),
            patterns=["{table}.csv"],
            caption="../report/tables.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
    resources:
        mem_mb=scaled(3000),
        runtime=scaled(60),
    params:
        report=section("report"),
        datasets=list(CONFIG.datasets),
        titles={name: each.title for name, each in CONFIG.own.items() if each.title and name in CONFIG.datasets},
        drawing={dataset: shown_drawing_of(dataset) for dataset in CONFIG.datasets},
        margins=CONFIG.preprocess.margins,
        configuration=CONFIG.model_dump(mode="json", by_alias=True, exclude={"strict"}),  # the page states all of it
    message:
        "Writing the report"
    script:
        "../scripts/report.py"
