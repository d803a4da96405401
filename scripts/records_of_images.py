"""records.parquet of a data set of images in class folders."""

from ecgpipe.acquire.cardiac_images import list_cardiac_images
from ecgpipe.artifacts.tables import RECORDS, ProblemList
from ecgpipe.logs import job_log

with job_log(snakemake):
    RECORDS.write(list_cardiac_images(snakemake.params.source, **snakemake.params.settings), snakemake.output.records)
    ProblemList("records", strict=False).write(snakemake.output.problems)
