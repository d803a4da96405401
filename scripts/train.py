"""One training, resumed if it was interrupted."""

import sys
from pathlib import Path

from ecgpipe.logs import job_log
from ecgpipe.train.engine import train_run

with job_log(snakemake.log[0]):
    train_run(
        Path(snakemake.input.run).parent,
        threads=snakemake.threads,
        show_progress=sys.stderr.isatty(),
    )
