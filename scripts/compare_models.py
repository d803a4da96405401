"""Models of one data set and protocol, compared."""

from ecgpipe.artifacts.comparisons import COMPARISON, write_comparisons
from ecgpipe.artifacts.records import RECORDS
from ecgpipe.artifacts.twins import with_content
from ecgpipe.config.evaluate import EvaluateConfig
from ecgpipe.evaluate.compare import compare_models
from ecgpipe.evaluate.reported import read_reported
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
    records = RECORDS.read(snakemake.input.records)
    if snakemake.input.twins:
        records = with_content(records, snakemake.input.twins)
    models = read_reported(snakemake.input.predictions, records)
    compared = compare_models(models, EvaluateConfig(**snakemake.params.evaluate))
    names = {"dataset": snakemake.wildcards.dataset, "protocol": snakemake.wildcards.whole}
    write_comparisons(snakemake.output.comparisons, names | compared, "comparisons", COMPARISON)
