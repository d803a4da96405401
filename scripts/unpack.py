"""A folder from an archive, checked against its own list of checksums if it has one."""

from ecgpipe.acquire.checksums import check_sums
from ecgpipe.acquire.download import of_sampling_rate
from ecgpipe.acquire.unpack import unpack_zip
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
    if snakemake.params.sampling_rate is None:  # no release of PTB-XL
        unpack_zip(snakemake.input[0], snakemake.output[0])
    else:
        wanted = of_sampling_rate(snakemake.params.sampling_rate)
        unpack_zip(snakemake.input[0], snakemake.output[0], wanted)
        check_sums(snakemake.output[0], wanted)
