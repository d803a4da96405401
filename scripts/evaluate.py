"""Scores of one run."""

from ecgpipe.artifacts.atomic import write_json
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.records import RECORDS
from ecgpipe.artifacts.twins import with_content
from ecgpipe.config.evaluate import EvaluateConfig
from ecgpipe.evaluate.run import GROUPED_BY, evaluate_run
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
    predictions = Predictions.read(snakemake.input.predictions)
    records = RECORDS.read(snakemake.input.records, GROUPED_BY, predictions.record_ids)
    if snakemake.input.twins:
        records = with_content(records, snakemake.input.twins)
    metrics = evaluate_run(predictions, records, EvaluateConfig(**snakemake.params.evaluate))
    write_json(snakemake.output[0], metrics)
