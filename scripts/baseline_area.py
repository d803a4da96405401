"""Find the area of the traces on the pages of one dataset."""

from ecgpipe.artifacts.files import write_json
from ecgpipe.baselines.features import trace_area
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.logs import job_log

with job_log(snakemake):
    margins = PreprocessConfig(**snakemake.params.preprocess).margins
    write_json(snakemake.output[0], trace_area(snakemake.input.images, snakemake.input.indices, margins))
