# A trained run -> saliency maps of some records, their overlays on the pages, and what the maps are worth

MEASURED_ONLY = {"variants", "common_stride", "curve_steps", "cascade_steps"}


rule findings:
    input:
        records=f"{RESULTS}/{{dataset}}/records.parquet",
        raw=made_input,
    output:
        f"{RESULTS}/{{dataset}}/findings/{{shard}}.parquet",
    log:
        f"{RESULTS}/logs/findings/{{dataset}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/findings/{{dataset}}/{{shard}}.tsv"
    wildcard_constraints:
        dataset="simulated",
    conda:
        "../envs/data.yaml"
    params:
        source=dataset_attr("source"),
        sampling_rate=lambda wildcards: DATASETS[wildcards.dataset].read_options["sampling_rate"],
        render=section("render"),
        layout=file_hash(CONFIG.render.layout),
        code=code("findings.py"),
    message:
        "Finding where the findings of {wildcards.dataset}, shard {wildcards.shard}, are on their pages"
    script:
        "../scripts/findings.py"


rule explain:
    input:
        run=f"{RUN}/run.json",
        run_index=f"{RUN}/run_index.npz",
        reference=lambda wildcards: first_seed(wildcards, "run_index.npz"),
        weights=f"{RUN}/weights.safetensors",
        images=shard_files("images/{shard}.npy"),
        indices=shard_files("images/{shard}.index.parquet"),
        pages=shard_files("pages/{shard}.parquet") if CONFIG.keep_pages else [],
        records=records_to_draw,
        raw=raw_to_draw,
    output:
        maps=f"{RUN}/saliency.npz",
        overlays=report(
            f"{RUN}/saliency.png",
            caption="../report/saliency.rst",
            category="Saliency",
            subcategory="{dataset}",
            labels={"protocol": "{protocol}", "model": "{variant}", "seed": "{seed}"},
        ),
    log:
        f"{RESULTS}/logs/explain/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/explain/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    params:
        explain=CONFIG.explain.model_dump(mode="json", exclude=MEASURED_ONLY),
        preprocess=section("preprocess"),
        drawing=lambda wildcards: drawing_if_none_kept(wildcards.dataset),
        code=code("explain.py"),
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
        others=maps_of_other_seeds,
        images=shard_files("images/{shard}.npy"),
        indices=shard_files("images/{shard}.index.parquet"),
        pages=shard_files("pages/{shard}.parquet") if CONFIG.keep_pages else [],
        raw=raw_to_draw,
        findings=true_findings,
        records=f"{RESULTS}/{{dataset}}/records.parquet",
    output:
        table=f"{RUN}/saliency.parquet",
        summary=f"{RUN}/saliency.json",
    log:
        f"{RESULTS}/logs/measure_saliency/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/measure_saliency/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    params:
        explain=CONFIG.explain.model_dump(mode="json", exclude={"variants"}),
        preprocess=section("preprocess"),
        drawing=lambda wildcards: drawing_if_none_kept(wildcards.dataset),
        resampling=CONFIG.evaluate.model_dump(mode="json", include={"resamples", "confidence", "seed"}),
        code=code("measure_saliency.py"),
    message:
        "Measuring the saliency of {wildcards.variant} on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/measure_saliency.py"
