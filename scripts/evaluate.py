"""Score one run."""

from ecgpipe.artifacts.files import write_json
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.tables import read_grouped
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.scores import evaluate_run
from ecgpipe.logs import job_log

with job_log(snakemake):
    predictions = Predictions.read(snakemake.input.predictions)
    records = read_grouped(snakemake.input.records, snakemake.input.duplicates, predictions.record_ids)
    metrics = evaluate_run(predictions, records, EvaluateConfig(**snakemake.params.evaluate))
    write_json(snakemake.output[0], metrics)
