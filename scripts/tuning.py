"""Compare the trials of a search, and write the best settings."""

from pathlib import Path

from ecgpipe.logs import job_log
from ecgpipe.report.tuning import write_tuning

with job_log(snakemake):
    write_tuning(
        [Path(file) for file in snakemake.input.histories],
        snakemake.params.points,
        snakemake.params.score,
        Path(snakemake.output.table),
        Path(snakemake.output.best),
    )
