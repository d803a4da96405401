"""A folder from an archive, checked against its own list of checksums if it has one."""

from ecgpipe.acquire.download import check_sums, unpack_zip
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
    unpack_zip(snakemake.input[0], snakemake.output[0])
    if snakemake.params.check:
        check_sums(snakemake.output[0])
