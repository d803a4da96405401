"""Compare the protocols of one dataset."""

from ecgpipe.artifacts.predictions import PROTOCOL_COLUMNS, write_comparisons
from ecgpipe.artifacts.tables import RECORDS, add_content_hashes
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.model_scores import read_reported
from ecgpipe.evaluate.protocols import compare_protocols
from ecgpipe.logs import job_log

with job_log(snakemake):
    records = RECORDS.read(snakemake.input.records)
    if snakemake.input.duplicates:
        records = add_content_hashes(records, snakemake.input.duplicates)
    protocols = {name: read_reported(snakemake.input[name], records) for name in snakemake.params.protocols}
    compared = compare_protocols(protocols, EvaluateConfig(**snakemake.params.evaluate))
    content = {"dataset": snakemake.wildcards.dataset} | compared
    write_comparisons(snakemake.output.comparisons, content, "rows", PROTOCOL_COLUMNS)
