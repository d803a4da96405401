"""Audit a dataset: duplicates, anomalies, label conflicts."""

from ecgpipe.artifacts.files import write_json
from ecgpipe.artifacts.tables import ANOMALIES, DUPLICATES, PAIRS, RECORDS
from ecgpipe.audit.duplicates import Sketches
from ecgpipe.audit.summary import audit
from ecgpipe.logs import job_log

with job_log(snakemake):
    records = RECORDS.read(snakemake.input.records, ["record_id", "patient_id", "statements"])
    found = audit(records, Sketches(snakemake.input.sketches))
    DUPLICATES.write(found.duplicates, snakemake.output.duplicates)
    PAIRS.write(found.pairs, snakemake.output.pairs)
    ANOMALIES.write(found.anomalies, snakemake.output.anomalies)
    write_json(snakemake.output.summary, found.summary)
