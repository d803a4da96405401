"""Where the traces are on the pages of one data set."""

from ecgpipe.artifacts.atomic import write_json
from ecgpipe.config.preprocess import PreprocessConfig
from ecgpipe.control.area import trace_area
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
    margins = PreprocessConfig(**snakemake.params.preprocess).margins
    write_json(snakemake.output[0], trace_area(snakemake.input.images, margins))
