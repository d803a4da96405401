# Trainings over a grid of settings -> a table of their validation scores; test records are never looked at

TRIAL = f"{RESULTS}/{{dataset}}/tuning/{{protocol}}/{{variant}}/{{trial}}/seed-{{seed}}"
TRIAL_LOG = "{dataset}/{protocol}/{variant}/{trial}/seed-{seed}"


wildcard_constraints:
    trial=r"[A-Za-z0-9_.=,+-]+",


use rule prepare as prepare_trial with:
    output:
        run=f"{TRIAL}/run.json",
        run_index=f"{TRIAL}/run_index.npz",
    log:
        f"{RESULTS}/logs/prepare_trial/{TRIAL_LOG}.log",
    benchmark:
        f"{RESULTS}/benchmarks/prepare_trial/{TRIAL_LOG}.tsv"
    params:
        model=lambda wildcards: trial_of(wildcards).model.model_dump(mode="json"),
        train=lambda wildcards: trial_of(wildcards).train.model_dump(mode="json"),
        init_from=[],
        code=code("prepare.py"),


use rule train as train_trial with:
    input:
        run=f"{TRIAL}/run.json",
        run_index=f"{TRIAL}/run_index.npz",
        images=shard_files("images/{shard}.npy"),
        windows=windows_of("npy"),
    output:
        weights=f"{TRIAL}/weights.safetensors",
        history=f"{TRIAL}/history.csv",
        summary=f"{TRIAL}/train.json",
    log:
        f"{RESULTS}/logs/train_trial/{TRIAL_LOG}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_trial/{TRIAL_LOG}.tsv"


rule tuning_table:
    input:
        histories=lambda wildcards: every_trial(wildcards.dataset, "history.csv"),
    output:
        table=f"{RESULTS}/{{dataset}}/tuning/tuning.csv",
        best=f"{RESULTS}/{{dataset}}/tuning/best.yaml",
    log:
        f"{RESULTS}/logs/tuning_table/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tuning_table/{{dataset}}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        points=lambda wildcards: [
            {"variant": trial.variant, "changes": trial.changes}
            for trial in CONFIG.trials.values()
            for _ in CONFIG.tuning.seeds
        ],
        score=CONFIG.tuning.score,
        code=code("tuning.py"),
    message:
        "Comparing the trials on {wildcards.dataset}"
    script:
        "../scripts/tuning.py"


rule curves:
    input:
        f"{RUN}/history.csv",
    output:
        f"{RUN}/curves.png",
    log:
        f"{RESULTS}/logs/curves/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/curves/{{dataset}}/{{protocol}}/{{variant}}/seed-{{seed}}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        code=code("curves.py"),
    message:
        "Drawing the curves of {wildcards.variant} on {wildcards.dataset} ({wildcards.protocol}, seed {wildcards.seed})"
    script:
        "../scripts/curves.py"
