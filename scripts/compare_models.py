"""Compare the models under one protocol."""

from ecgpipe.artifacts.predictions import COMPARISON_COLUMNS, write_comparisons
from ecgpipe.artifacts.tables import read_grouped
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.compare import compare_models
from ecgpipe.evaluate.model_scores import read_reported
from ecgpipe.logs import job_log

with job_log(snakemake):
    records = read_grouped(snakemake.input.records, snakemake.input.duplicates)
    models = read_reported(snakemake.input.predictions, records)
    baselines = read_reported(snakemake.input.baselines, records)
    compared = compare_models(models, EvaluateConfig(**snakemake.params.evaluate), baselines)
    names = {"dataset": snakemake.wildcards.dataset, "protocol": snakemake.wildcards.whole}
    write_comparisons(snakemake.output.comparisons, names | compared, "comparisons", COMPARISON_COLUMNS)
