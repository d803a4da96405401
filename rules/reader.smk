# records.parquet of all datasets of signals -> reader/signals.npy -> reader/pages.safetensors -> reader/line-examples.npz
# -> reader/lines.safetensors -> reader/reader.safetensors
# `snakemake reader` trains the page reader; the package contains trained weights, so only its developers need this.

SIGNALS = [name for name in DATASETS if CONFIG.kind_of(name) == "signals"]
LINE_KEYS = ("line_pages", "line_steps", "line_batch_size")
TEXT_KEYS = ("text_steps", "text_batch_size")
OPTIMIZER = ("learning_rate", "weight_decay", "warmup_steps", "averaging", "seed", "save_every")
PAGE_WEIGHTS = CONFIG.reader.pages_from or f"{RESULTS}/reader/pages.safetensors"


rule reader_signals:
    input:
        records=expand(f"{RESULTS}/{{dataset}}/records.parquet", dataset=SIGNALS),
        raw=[file for name in SIGNALS for file in DATASETS[name].generated_inputs()],
    output:
        f"{RESULTS}/reader/signals.npy",
    params:
        drawings={name: {k: v for k, v in drawing_of(name).items() if k != "render"} for name in SIGNALS},
        raw_files=lambda w: {name: raw_files_of(name) for name in SIGNALS},
        records=CONFIG.reader.records,
        seed=CONFIG.reader.seed,
    message:
        "Collecting recordings for the page reader"
    script:
        "../scripts/reader_signals.py"


rule reader_pages:
    input:
        signals=f"{RESULTS}/reader/signals.npy",
    output:
        weights=f"{RESULTS}/reader/pages.safetensors",
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
        # without the keys that only other rules use, so that a change of those does not repeat this run
        recipe={
            k: v for k, v in section("reader").items() if k not in (*LINE_KEYS, *TEXT_KEYS, "pages_from", "records")
        },
    message:
        "Training the networks that read pages"
    script:
        "../scripts/reader_pages.py"


rule reader_line_examples:
    input:
        signals=f"{RESULTS}/reader/signals.npy",
        weights=PAGE_WEIGHTS,
    output:
        f"{RESULTS}/reader/line-examples.npz",
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=scaled(8000),
        runtime=scaled(180),
    params:
        recipe={k: section("reader")[k] for k in ("line_pages", "seed")},
    message:
        "Drawing and digitizing pages for the network that corrects lines"
    script:
        "../scripts/reader_line_examples.py"


rule reader_lines:
    input:
        examples=f"{RESULTS}/reader/line-examples.npz",
        reader=PAGE_WEIGHTS,
    output:
        weights=f"{RESULTS}/reader/lines.safetensors",
        history=f"{RESULTS}/reader/lines.csv",
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        mem_mb=scaled(6000),
        runtime=scaled(120),
    params:
        part="line",
        recipe={k: v for k, v in section("reader").items() if k in (*LINE_KEYS[1:], *OPTIMIZER)},
    message:
        "Training the network that corrects lines"
    script:
        "../scripts/reader_part.py"


rule reader:
    input:
        examples=f"{RESULTS}/reader/signals.npy",
        reader=f"{RESULTS}/reader/lines.safetensors",
    output:
        weights=f"{RESULTS}/reader/reader.safetensors",
        history=f"{RESULTS}/reader/texts.csv",
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        mem_mb=scaled(6000),
        runtime=scaled(120),
    params:
        part="text",
        recipe={k: v for k, v in section("reader").items() if k in (*TEXT_KEYS, *OPTIMIZER)},
    message:
        "Training the network that reads printed scales"
    script:
        "../scripts/reader_part.py"
