"""One data set's protocols, compared."""

from ecgpipe.artifacts.comparisons import PROTOCOL, write_comparisons
from ecgpipe.artifacts.records import RECORDS
from ecgpipe.artifacts.twins import with_content
from ecgpipe.config.evaluate import EvaluateConfig
from ecgpipe.evaluate.protocols import compare_protocols
from ecgpipe.evaluate.reported import read_reported
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
    records = RECORDS.read(snakemake.input.records)
    if snakemake.input.twins:
        records = with_content(records, snakemake.input.twins)
    protocols = {name: read_reported(snakemake.input[name], records) for name in snakemake.params.protocols}
    compared = compare_protocols(protocols, EvaluateConfig(**snakemake.params.evaluate))
    content = {"dataset": snakemake.wildcards.dataset} | compared
    write_comparisons(snakemake.output.comparisons, content, "rows", PROTOCOL)
