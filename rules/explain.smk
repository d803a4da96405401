# A trained run -> saliency maps of some records, and their overlays on the pages


rule explain:
    input:
        run=f"{RUN}/run.json",
        run_items=f"{RUN}/items.npz",
        weights=f"{RUN}/weights.safetensors",
        images=shard_files("images/{shard}.npy"),
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
        explain=section("explain"),
        preprocess=section("preprocess"),
        drawing=lambda wildcards: drawing_if_none_kept(wildcards.dataset),
        code=code("explain.py"),
    message:
        "Explaining {wildcards.variant} on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/explain.py"
