"""Score one run."""

from ecgpipe.artifacts.files import write_json
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.tables import RECORDS, add_content_hashes
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.scores import GROUPED_BY, evaluate_run
from ecgpipe.logs import job_log

with job_log(snakemake):
    predictions = Predictions.read(snakemake.input.predictions)
    records = RECORDS.read(snakemake.input.records, GROUPED_BY, predictions.record_ids)
    if snakemake.input.duplicates:
        records = add_content_hashes(records, snakemake.input.duplicates)
    metrics = evaluate_run(predictions, records, EvaluateConfig(**snakemake.params.evaluate))
    write_json(snakemake.output[0], metrics)
