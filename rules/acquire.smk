# Raw data -> records.parquet, labels.parquet


if CONFIG.ptb_xl.source is None and CONFIG.ptb_xl.fetch == "files":

    rule download_ptbxl_files:
        output:
            directory(f"{RESOURCES}/ptb-xl"),
        resources:
            runtime=scaled(240),
        params:
            url=CONFIG.ptb_xl.address,
            sampling_rate=CONFIG.ptb_xl.sampling_rate,
        message:
            "Downloading PTB-XL file by file"
        script:
            "../scripts/download_files.py"


if CONFIG.ptb_xl.source is None and CONFIG.ptb_xl.fetch == "archive":

    rule download_ptbxl:
        output:
            temp(f"{RESOURCES}/ptb-xl.zip"),
        resources:
            runtime=scaled(240),
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
        resources:
            runtime=scaled(120),
        params:
            archive=CONFIG.ptb_xl.address,  # unpack again if the address changes
            sampling_rate=CONFIG.ptb_xl.sampling_rate,
        message:
            "Unpacking PTB-XL and checking its files"
        script:
            "../scripts/unpack.py"


if CONFIG.cardiac_images.source is None:

    rule download_cardiac_images:
        output:
            temp(f"{RESOURCES}/cardiac-images.zip"),
        resources:
            runtime=scaled(240),
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
    priority: 10  # like the two rules below, so that wrong labels are noticed before any training
    resources:
        runtime=scaled(60),
    params:
        simulated=section("simulated"),
    message:
        "Simulating records whose findings are known"
    script:
        "../scripts/simulate.py"


rule records:
    input:
        lambda wildcards: DATASETS[wildcards.dataset].listing_inputs(),
    output:
        records=f"{DATASET}/records.parquet",
        problems=f"{DATASET}/records.problems.parquet",
    priority: 10
    params:
        layout=dataset_attr("layout"),
        source=dataset_attr("source"),
        settings=dataset_attr("settings"),
        key=dataset_attr("key"),
        # changes if records are added or removed, or a table changes
        listing=lambda wildcards: [
            DATASETS[wildcards.dataset].listing_hash(),
            DATASETS[wildcards.dataset].table_hashes(),
        ],
    message:
        "Listing the records of {wildcards.dataset}"
    script:
        "../scripts/records.py"


rule labels:
    input:
        records=f"{DATASET}/records.parquet",
        raw=lambda wildcards: DATASETS[wildcards.dataset].listing_inputs(),
    output:
        labels=f"{DATASET}/labels.parquet",
        counts=f"{DATASET}/labels.json",
        table=f"{DATASET}/labels.csv",
        dropped=f"{DATASET}/labels.dropped.parquet",
    priority: 10
    localrule: True
    params:
        source=dataset_attr("statements_source"),
        labels=lambda wildcards: DATASETS[wildcards.dataset].labels or section("labels"),
        classes=dataset_attr("classes"),
        code_table=dataset_attr("code_table"),
        codes=lambda wildcards: file_hash(DATASETS[wildcards.dataset].code_table or CODE_TABLE),
        key=dataset_attr("key"),
        tables=lambda wildcards: DATASETS[wildcards.dataset].table_hashes(),
        grouping=file_hash(CONFIG.labels.grouping),
        plus=dataset_attr("plus"),
        plus_files=lambda wildcards: DATASETS[wildcards.dataset].plus_hashes(),
    message:
        "Making the labels of {wildcards.dataset}"
    script:
        "../scripts/labels.py"
