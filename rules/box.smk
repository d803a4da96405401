# signals, labels and split of one dataset -> box/weights.safetensors; pages of its records in several looks -> box/pages/;
# both -> box/model/. `snakemake box --configfile config/box.yaml` makes the built-in model; only its developers need this.

BOX, BOX_DATASET = f"{RESULTS}/box", f"{RESULTS}/{CONFIG.box.dataset}"
BOX_SPLIT = f"{BOX_DATASET}/splits/folds/seed-0.parquet"


rule box_train:
    input:
        signals=signals_of(CONFIG.box.dataset),
        records=f"{BOX_DATASET}/records.parquet",
        labels=f"{BOX_DATASET}/labels.parquet",
        split=BOX_SPLIT,
        first_signals=signals_of(CONFIG.box.pretrain_on),
        first_labels=f"{RESULTS}/{CONFIG.box.pretrain_on}/labels.parquet" if CONFIG.box.pretrain_on else [],
    output:
        f"{BOX}/weights.safetensors",
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        mem_mb=scaled(6000),
        runtime=scaled(300),
        gpu=1,
    params:
        recipe=section("box"),
    message:
        "Training the built-in model"
    script:
        "../scripts/box_train.py"


rule box_pages:
    input:
        records=f"{BOX_DATASET}/records.parquet",
        split=BOX_SPLIT,
        raw=lambda w: DATASETS[CONFIG.box.dataset].generated_inputs(),
    output:
        digitized=f"{BOX}/pages/{{layout}}-{{level}}.npz",
        problems=f"{BOX}/pages/{{layout}}-{{level}}.problems.parquet",
    wildcard_constraints:
        level="[a-z]+",
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=scaled(3000),
        runtime=scaled(120),
    params:
        recipe={key: section("box")[key] for key in ("looks", "calibration_every", "seed")},
        drawing=lambda w: drawing_of(CONFIG.box.dataset),
        raw_files=lambda w: raw_files_of(CONFIG.box.dataset),
        weights=lambda w: weights_hash(),
    message:
        "Digitizing pages: layout {wildcards.layout}, degradation {wildcards.level}"
    script:
        "../scripts/box_pages.py"


rule box:
    input:
        weights=CONFIG.box.networks_from or f"{BOX}/weights.safetensors",
        pages=[f"{BOX}/pages/{name}.npz" for name in CONFIG.box.look_files],
        signals=signals_of(CONFIG.box.dataset),
        records=f"{BOX_DATASET}/records.parquet",
        labels=f"{BOX_DATASET}/labels.parquet",
        split=BOX_SPLIT,
        reference=f"{BOX_DATASET}/folds/baseline-signal/seed-0/predictions.parquet",
    output:
        saved=f"{BOX}/model/config.json",
        card=f"{BOX}/model/README.md",
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=scaled(6000),
        runtime=scaled(60),
    params:
        recipe=section("box"),
        evaluate=section("evaluate"),
    message:
        "Scoring the built-in model"
    script:
        "../scripts/box.py"
