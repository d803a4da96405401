"""Compare the protocols of one dataset."""

from ecgpipe.artifacts.predictions import PROTOCOL_COLUMNS, write_comparisons
from ecgpipe.artifacts.tables import read_grouped
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.model_scores import read_reported
from ecgpipe.evaluate.protocols import compare_protocols
from ecgpipe.logs import job_log

with job_log(snakemake):
    records = read_grouped(snakemake.input.records, snakemake.input.duplicates)
    protocols = {name: read_reported(snakemake.input[name], records) for name in snakemake.params.protocols}
    compared = compare_protocols(protocols, EvaluateConfig(**snakemake.params.evaluate))
    content = {"dataset": snakemake.wildcards.dataset} | compared
    write_comparisons(snakemake.output.comparisons, content, "rows", PROTOCOL_COLUMNS)
