"""Unpack an archive and verify the checksums of a PTB-XL release."""

from ecgpipe.acquire.download import needed_at_rate, unpack_zip, verify_checksums
from ecgpipe.logs import job_log

with job_log(snakemake):
    if snakemake.params.sampling_rate is None:  # not PTB-XL
        unpack_zip(snakemake.input[0], snakemake.output[0])
    else:
        wanted = needed_at_rate(snakemake.params.sampling_rate)
        unpack_zip(snakemake.input[0], snakemake.output[0], wanted)
        verify_checksums(snakemake.output[0], wanted)
