# Runs over a grid of settings -> a table of their validation scores; test records are not used

TRIAL = f"{DATASET}/tuning/{{protocol}}/{{variant}}/{{trial}}/seed-{{seed}}"


use rule prepare as prepare_trial with:
    output:
        run=f"{TRIAL}/run.json",
        run_index=f"{TRIAL}/run_index.npz",
    params:
        model=lambda wildcards: trial(wildcards).model.model_dump(mode="json"),
        train=lambda wildcards: trial(wildcards).train.model_dump(mode="json"),
        init_from=[],
        continued=[],


use rule train as train_trial with:
    input:
        run=f"{TRIAL}/run.json",
        run_index=f"{TRIAL}/run_index.npz",
        images=shard_files("images/{shard}.npy"),
        windows=windows("npy"),
    output:
        weights=f"{TRIAL}/weights.safetensors",
        history=f"{TRIAL}/history.csv",
        summary=f"{TRIAL}/train.json",


rule tuning_table:
    input:
        histories=lambda wildcards: TARGETS.trials(wildcards.dataset, "history.csv"),
    output:
        table=f"{DATASET}/tuning/tuning.csv",
        best=f"{DATASET}/tuning/best.yaml",
    params:
        points=lambda wildcards: [
            {"variant": trial.variant, "changes": trial.changes}
            for trial in CONFIG.trials.values()
            for _ in CONFIG.tuning.seeds
        ],
        score=CONFIG.tuning.score,
    message:
        "Comparing the trials on {wildcards.dataset}"
    script:
        "../scripts/tuning.py"


rule curves:
    input:
        f"{RUN}/history.csv",
    output:
        f"{RUN}/curves.png",
    localrule: True
    message:
        "Drawing the curves of {wildcards.variant} on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/curves.py"
