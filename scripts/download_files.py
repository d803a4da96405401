"""Download a release of PTB-XL file by file."""

from ecgpipe.acquire.download import download_ptbxl
from ecgpipe.logs import job_log

with job_log(snakemake):
    download_ptbxl(snakemake.params.url, snakemake.output[0], snakemake.params.sampling_rate)
