"""Draw, degrade and digitize the training pages of the network for lines."""

from ecgpipe.config.pages import ReaderConfig
from ecgpipe.imaging.line_examples import collect_line_examples
from ecgpipe.logs import job_log

with job_log(snakemake):
    inputs, recipe = snakemake.input, ReaderConfig(**snakemake.params.recipe)
    collect_line_examples(inputs.signals, inputs.weights, snakemake.output[0], recipe)
