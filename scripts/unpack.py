"""Unpack an archive; verify the checksums of a PTB-XL release, write those of another dataset."""

from pathlib import Path

from ecgpipe.acquire.download import needed_at_rate, unpack_zip, verify_checksums
from ecgpipe.artifacts.files import write_sums
from ecgpipe.artifacts.sources import Folder
from ecgpipe.errors import DataError
from ecgpipe.logs import job_log

with job_log(snakemake):
    if snakemake.params.sampling_rate is None:  # not PTB-XL
        unpack_zip(snakemake.input[0], snakemake.output[0])
        folder = Path(snakemake.output[0])
        write_sums(folder, Folder(folder).names())
    else:
        wanted = needed_at_rate(snakemake.params.sampling_rate)
        unpack_zip(snakemake.input[0], snakemake.output[0], wanted)
        try:
            verify_checksums(snakemake.output[0], wanted)
        except DataError:
            Path(snakemake.input[0]).unlink()  # complete but wrong: the next run downloads it again
            raise
