"""Train one model, resumed if it was interrupted."""

import subprocess
import sys
from pathlib import Path

from ecgpipe.gpus import requested_gpus, reserve_gpus
from ecgpipe.logs import job_log
from ecgpipe.train.engine import train_run
from ecgpipe.train.hardware import TrainerOptions

folder, log = Path(snakemake.input.run).parent, snakemake.log[0]
gpus = requested_gpus(snakemake.resources, default=1)
if gpus > 1:
    # the trainer starts its other processes with the command line of this one, which must not be a Snakemake script
    command = [sys.executable, "-m", "ecgpipe", "train", str(folder), "--devices", str(gpus)]
    with open(log, "w", encoding="utf-8") as file:
        sys.exit(subprocess.run([*command, "--threads", str(snakemake.threads)], stderr=file, stdout=file).returncode)
with job_log(snakemake), reserve_gpus(gpus):
    train_run(folder, TrainerOptions(threads=snakemake.threads), show_progress=sys.stderr.isatty())
