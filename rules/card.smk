# A trained run with its scores -> a model that can be used elsewhere (its weights are a second name of the run's file)


rule card:
    input:
        run=f"{RUN}/run.json",
        run_index=f"{RUN}/run_index.npz",
        weights=f"{RUN}/weights.safetensors",
        summary=f"{RUN}/train.json",
        metrics=f"{RUN}/metrics.json",
        images=shard_files("images/{shard}.npy"),
    output:
        saved=f"{RUN}/model/config.json",
        card=f"{RUN}/model/README.md",
    log:
        f"{RESULTS}/logs/card/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/card/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    params:
        code=code("card.py"),
    message:
        "Saving {wildcards.variant} on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed}) with its card"
    script:
        "../scripts/card.py"
