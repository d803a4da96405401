"""Draw the losses and scores of one run by epoch."""

from pathlib import Path

from ecgpipe.logs import job_log
from ecgpipe.report.figures import draw_curves

with job_log(snakemake):
    draw_curves({snakemake.wildcards.variant: Path(snakemake.input[0])}, Path(snakemake.output[0]))
