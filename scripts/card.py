"""Save a trained and scored run as a model with its card."""

from pathlib import Path

from ecgpipe.gpus import requested_gpus, reserve_gpus
from ecgpipe.logs import job_log
from ecgpipe.models.card import save_model

with job_log(snakemake), reserve_gpus(requested_gpus(snakemake.resources)):
    save_model(Path(snakemake.input.run).parent, Path(snakemake.output.saved).parent, threads=snakemake.threads)
