# A trained run -> saliency maps of some records, their overlays on the pages, and measures of the maps


rule findings:
    input:
        records=f"{DATASET}/records.parquet",
        raw=generated_inputs,
    output:
        f"{DATASET}/findings/{{shard}}.parquet",
    wildcard_constraints:
        dataset="simulated",
    params:
        source=dataset_attr("source"),
        sampling_rate=lambda wildcards: DATASETS[wildcards.dataset].read_options["sampling_rate"],
        render=lambda w: (
            CONFIG.redrawing_of(w.dataset).model_dump(mode="json")
            if CONFIG.digitizes(w.dataset)
            else CONFIG.render.appearance
        ),
        layout=file_hash(CONFIG.render.layout),
    message:
        "Locating the findings of {wildcards.dataset}, shard {wildcards.shard}, on their pages"
    script:
        "../scripts/findings.py"


rule explain:
    input:
        run=f"{RUN}/run.json",
        run_index=f"{RUN}/run_index.npz",
        # all seeds explain the scored records of the first seed
        reference=lambda wildcards: TARGETS.run(
            wildcards.dataset,
            wildcards.protocol,
            wildcards.variant,
            CONFIG.benchmark.of(wildcards.dataset).seeds[0],
            "run_index.npz",
        ),
        weights=f"{RUN}/weights.safetensors",
        images=shard_files("images/{shard}.npy"),
        windows=windows("npy"),
        indices=shard_files("images/{shard}.index.parquet"),
        pages=shown_pages,
        records=[] if CONFIG.keep_pages else f"{DATASET}/records.parquet",
        raw=[] if CONFIG.keep_pages else generated_inputs,
    output:
        maps=f"{RUN}/saliency.npz",
        overlays=report(
            f"{RUN}/saliency.png",
            caption="../report/saliency.rst",
            category="Saliency",
            subcategory="{dataset}",
            labels={"protocol": "{protocol}", "model": "{variant}", "seed": "{seed}"},
        ),
    conda:
        "../envs/train.yaml"
    threads: 4
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(120),
        gpu=1,
    params:
        explain=CONFIG.explain.model_dump(mode="json", exclude={"variants", "curve_steps"}),
        preprocess=section("preprocess"),
        drawing=of_dataset(shown_drawing_of),
    message:
        "Explaining {wildcards.variant} on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/explain.py"


rule measure_saliency:
    input:
        run=f"{RUN}/run.json",
        run_index=f"{RUN}/run_index.npz",
        weights=f"{RUN}/weights.safetensors",
        maps=f"{RUN}/saliency.npz",
        others=lambda wildcards: [
            TARGETS.run(
                wildcards.dataset,
                wildcards.protocol,
                wildcards.variant,
                seed,
                "saliency.npz",
            )
            for seed in CONFIG.benchmark.of(wildcards.dataset).seeds_of(wildcards.variant)
            if str(seed) != wildcards.seed
        ],
        images=shard_files("images/{shard}.npy"),
        windows=windows("npy"),
        indices=shard_files("images/{shard}.index.parquet"),
        pages=shown_pages,
        raw=[] if CONFIG.keep_pages else generated_inputs,
        findings=lambda wildcards: (
            TARGETS.of_shards("findings/{shard}.parquet", ["simulated"]) if wildcards.dataset == "simulated" else []
        ),
        records=f"{DATASET}/records.parquet",
        duplicates=of_dataset(duplicates_of),
    output:
        table=f"{RUN}/saliency.parquet",
        summary=f"{RUN}/saliency.json",
    conda:
        "../envs/train.yaml"
    threads: 4
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(120),
        gpu=1,
    params:
        explain=CONFIG.explain.model_dump(mode="json", exclude={"variants"}),
        preprocess=section("preprocess"),
        drawing=of_dataset(shown_drawing_of),
        resampling=section("evaluate", "resamples", "confidence", "seed"),
    message:
        "Measuring the saliency of {wildcards.variant} on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/measure_saliency.py"
