# A trained run with its scores -> a folder with the model and its card (the weights are a hard link)


rule card:
    input:
        run=f"{RUN}/run.json",
        run_index=f"{RUN}/run_index.npz",
        weights=f"{RUN}/weights.safetensors",
        summary=f"{RUN}/train.json",
        metrics=f"{RUN}/metrics.json",
        images=shard_files("images/{shard}.npy"),
        windows=windows("npy"),
    output:
        saved=f"{RUN}/model/config.json",
        card=f"{RUN}/model/README.md",
    conda:
        "../envs/train.yaml"
    threads: 4
    resources:
        mem_mb=scaled(6000),
        runtime=scaled(120),
        gpu=1,
    message:
        "Saving {wildcards.variant} on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed}) with its card"
    script:
        "../scripts/card.py"
