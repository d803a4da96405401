"""records.parquet of a data set of images in class folders."""

from ecgpipe.acquire.cardiac_images import list_images
from ecgpipe.artifacts.problems import ProblemList
from ecgpipe.artifacts.records import RECORDS
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
    RECORDS.write(list_images(snakemake.params.source, **snakemake.params.settings), snakemake.output.records)
    ProblemList("records", strict=False).write(snakemake.output.problems)
