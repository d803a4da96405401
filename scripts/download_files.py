"""A release of PTB-XL, file by file."""

from ecgpipe.acquire.download import download_files
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
    download_files(
        snakemake.params.url, snakemake.output[0], snakemake.params.sampling_rate, snakemake.params.connections
    )
