"""Prepare one run: run.json and run_index.npz."""

from pathlib import Path

from ecgpipe.artifacts.tables import SPLIT, Labels, rows_of_images
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.logs import job_log
from ecgpipe.train.prepare import prepare_run

with job_log(snakemake):
    record_ids, roles = SPLIT.read_text(snakemake.input.split, ["record_id", "role"])
    labels = Labels.read(snakemake.input.labels)
    prepare_run(
        Path(snakemake.output.run).parent,
        dataset=snakemake.wildcards.dataset,
        protocol=snakemake.wildcards.protocol,
        variant=snakemake.wildcards.variant.partition("+")[0],  # the rest is the recipe
        seed=int(snakemake.wildcards.seed),
        classes=labels.classes,
        task=labels.task,
        record_ids=record_ids,
        roles=roles,
        targets=labels.of_records(record_ids),
        images=rows_of_images(snakemake.input.indices),
        windows=rows_of_images(snakemake.input.windows),
        model=ModelConfig(**snakemake.params.model),
        train=TrainConfig(**snakemake.params.train),
        policy=labels.policy,
        preprocess=PreprocessConfig(**snakemake.params.preprocess),
        drawing=snakemake.params.drawing,
        init_from=next(iter(snakemake.params.init_from), None),
        continue_from=next((Path(file).parent for file in snakemake.params.continued), None),
    )
