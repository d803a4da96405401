"""Audit a dataset: duplicates, anomalies, label conflicts."""

from ecgpipe.artifacts.files import write_json
from ecgpipe.artifacts.tables import ANOMALIES, DUPLICATES, PAIRS, RECORDS
from ecgpipe.audit.duplicates import Sketches
from ecgpipe.audit.summary import audit
from ecgpipe.logs import job_log

with job_log(snakemake):
    records = RECORDS.read(snakemake.input.records, ["record_id", "patient_id", "statements"])
    result = audit(records, Sketches(snakemake.input.sketches))
    DUPLICATES.write(result.duplicates, snakemake.output.duplicates)
    PAIRS.write(result.pairs, snakemake.output.pairs)
    ANOMALIES.write(result.anomalies, snakemake.output.anomalies)
    write_json(snakemake.output.summary, result.summary)
