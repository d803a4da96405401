# records.parquet of all datasets of signals -> reader/signals.npy -> reader/reader.safetensors
# `snakemake reader` trains the page reader; the package contains trained weights, so that only its developers need this.

SIGNALS = [name for name in DATASETS if CONFIG.kind_of(name) == "signals"]


rule reader_signals:
    input:
        records=expand(f"{RESULTS}/{{dataset}}/records.parquet", dataset=SIGNALS),
        raw=[file for name in SIGNALS for file in DATASETS[name].generated_inputs()],
    output:
        f"{RESULTS}/reader/signals.npy",
    params:
        drawings={name: {k: v for k, v in drawing_of(name).items() if k != "render"} for name in SIGNALS},
        records=CONFIG.reader.records,
        seed=CONFIG.reader.seed,
    message:
        "Collecting recordings for the page reader"
    script:
        "../scripts/reader_signals.py"


rule reader:
    input:
        signals=f"{RESULTS}/reader/signals.npy",
    output:
        weights=f"{RESULTS}/reader/reader.safetensors",
        history=f"{RESULTS}/reader/history.csv",
        names=f"{RESULTS}/reader/names.csv",
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        mem_mb=scaled(6000),
        runtime=scaled(600),
        gpu=1,
    params:
        recipe=section("reader"),
    message:
        "Training the page reader"
    script:
        "../scripts/reader.py"
