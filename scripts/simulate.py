"""Simulate records in PTB-XL's layout."""

from pathlib import Path

from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.config.data import SimulatedConfig
from ecgpipe.logs import job_log
from ecgpipe.progress import progress_counter

with job_log(snakemake):
    settings = SimulatedConfig(**snakemake.params.simulated)
    simulate_dataset(
        Path(snakemake.output[0]),
        records=settings.records,
        seed=settings.seed,
        sampling_rates=(settings.sampling_rate,),
        workers=snakemake.threads,
        difficulty=settings.difficulty,
        class_mix=settings.class_mix(),
        progress=progress_counter("simulate"),
    )
