# Raw data -> records.parquet, labels.parquet


if CONFIG.ptb_xl.source is None and CONFIG.ptb_xl.fetch == "files":

    rule download_ptbxl_files:
        output:
            directory(f"{RESOURCES}/ptb-xl"),
        log:
            f"{RESULTS}/logs/download/ptb-xl.log",
        benchmark:
            f"{RESULTS}/benchmarks/download/ptb-xl.tsv"
        conda:
            "../envs/data.yaml"
        params:
            url=CONFIG.ptb_xl.address,
            sampling_rate=CONFIG.ptb_xl.sampling_rate,
            connections=CONFIG.ptb_xl.connections,
        message:
            "Downloading PTB-XL file by file"
        script:
            "../scripts/download_files.py"


if CONFIG.ptb_xl.source is None and CONFIG.ptb_xl.fetch == "archive":

    rule download_ptbxl:
        output:
            temp(f"{RESOURCES}/ptb-xl.zip"),
        log:
            f"{RESULTS}/logs/download/ptb-xl.log",
        benchmark:
            f"{RESULTS}/benchmarks/download/ptb-xl.tsv"
        conda:
            "../envs/data.yaml"
        params:
            url=CONFIG.ptb_xl.address,
            sha256=CONFIG.ptb_xl.sha256,
        message:
            "Downloading PTB-XL (1.8 GB)"
        script:
            "../scripts/download.py"

    rule unpack_ptbxl:
        input:
            rules.download_ptbxl.output,
        output:
            directory(f"{RESOURCES}/ptb-xl"),
        log:
            f"{RESULTS}/logs/unpack/ptb-xl.log",
        benchmark:
            f"{RESULTS}/benchmarks/unpack/ptb-xl.tsv"
        conda:
            "../envs/data.yaml"
        params:
            archive=CONFIG.ptb_xl.address,  # another archive is unpacked again
            sampling_rate=CONFIG.ptb_xl.sampling_rate,
        message:
            "Unpacking PTB-XL and checking its files"
        script:
            "../scripts/unpack.py"


if CONFIG.cardiac_images.source is None:

    rule download_cardiac_images:
        output:
            temp(f"{RESOURCES}/cardiac-images.zip"),
        log:
            f"{RESULTS}/logs/download/cardiac-images.log",
        benchmark:
            f"{RESULTS}/benchmarks/download/cardiac-images.tsv"
        conda:
            "../envs/data.yaml"
        params:
            url=CONFIG.cardiac_images.url,
            sha256=CONFIG.cardiac_images.sha256,
        message:
            "Downloading the ECG Images dataset of Cardiac Patients"
        script:
            "../scripts/download.py"

    rule unpack_cardiac_images:
        input:
            rules.download_cardiac_images.output,
        output:
            directory(f"{RESOURCES}/cardiac-images"),
        log:
            f"{RESULTS}/logs/unpack/cardiac-images.log",
        benchmark:
            f"{RESULTS}/benchmarks/unpack/cardiac-images.tsv"
        conda:
            "../envs/data.yaml"
        params:
            archive=CONFIG.cardiac_images.url,
            sampling_rate=None,
        message:
            "Unpacking the ECG Images dataset of Cardiac Patients"
        script:
            "../scripts/unpack.py"


rule simulate:
    output:
        directory(f"{RESULTS}/simulated/data"),
    log:
        f"{RESULTS}/logs/simulate.log",
    benchmark:
        f"{RESULTS}/benchmarks/simulate.tsv"
    conda:
        "../envs/data.yaml"
    params:
        simulated=section("simulated"),
        code=code("simulate.py"),
    message:
        "Simulating records with known truth"
    script:
        "../scripts/simulate.py"


rule records:
    input:
        raw_input,
    output:
        records=f"{RESULTS}/{{dataset}}/records.parquet",
        problems=f"{RESULTS}/{{dataset}}/records.problems.parquet",
    log:
        f"{RESULTS}/logs/records/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/records/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=of_datasets(layout="ptb-xl"),
    conda:
        "../envs/data.yaml"
    params:
        source=dataset_attr("source"),
        settings=dataset_attr("settings"),
        listing=listing,
        code=code("records.py"),
    message:
        "Listing the records of {wildcards.dataset}"
    script:
        "../scripts/records.py"


rule records_of_images:
    input:
        raw_input,
    output:
        records=f"{RESULTS}/{{dataset}}/records.parquet",
        problems=f"{RESULTS}/{{dataset}}/records.problems.parquet",
    log:
        f"{RESULTS}/logs/records/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/records/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=of_datasets(layout="cardiac-images"),
    conda:
        "../envs/data.yaml"
    params:
        source=dataset_attr("source"),
        settings=dataset_attr("settings"),
        listing=listing,
        code=code("records_of_images.py"),
    message:
        "Listing the images of {wildcards.dataset}"
    script:
        "../scripts/records_of_images.py"


rule records_of_own:
    input:
        raw_input,
    output:
        records=f"{RESULTS}/{{dataset}}/records.parquet",
        problems=f"{RESULTS}/{{dataset}}/records.problems.parquet",
    log:
        f"{RESULTS}/logs/records/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/records/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=of_datasets(layout="own"),
    conda:
        "../envs/data.yaml"
    params:
        source=dataset_attr("source"),
        settings=dataset_attr("settings"),
        listing=listing,
        code=code("records_of_own.py"),
    message:
        "Listing the records of {wildcards.dataset}"
    script:
        "../scripts/records_of_own.py"


rule labels:
    input:
        records=f"{RESULTS}/{{dataset}}/records.parquet",
        raw=raw_input,
    output:
        labels=f"{RESULTS}/{{dataset}}/labels.parquet",
        counts=f"{RESULTS}/{{dataset}}/labels.json",
        table=f"{RESULTS}/{{dataset}}/labels.csv",
        dropped=f"{RESULTS}/{{dataset}}/labels.dropped.parquet",
    log:
        f"{RESULTS}/logs/labels/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/labels/{{dataset}}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        source=dataset_attr("source"),
        labels=lambda wildcards: DATASETS[wildcards.dataset].labels or section("labels"),
        classes=dataset_attr("classes"),
        key=dataset_attr("key"),
        tables=lambda wildcards: DATASETS[wildcards.dataset].table_hashes(),
        grouping=file_hash(CONFIG.labels.grouping),
        code=code("labels.py"),
    message:
        "Labels of {wildcards.dataset}"
    script:
        "../scripts/labels.py"
