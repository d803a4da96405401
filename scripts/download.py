"""Download an archive."""

from ecgpipe.acquire.download import download
from ecgpipe.logs import job_log

with job_log(snakemake, checksums=False):  # the archive has its own, and is temporary
    download(snakemake.params.url, snakemake.output[0], snakemake.params.sha256)
