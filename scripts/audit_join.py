"""The audit of a whole data set: copies, anomalies, conflicts."""

from ecgpipe.artifacts.atomic import write_json
from ecgpipe.artifacts.audit import ANOMALIES, PAIRS
from ecgpipe.artifacts.records import RECORDS
from ecgpipe.artifacts.twins import TWINS
from ecgpipe.audit.sketches import Sketches
from ecgpipe.audit.summary import audit
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
    records = RECORDS.read(snakemake.input.records, ["record_id", "patient_id", "statements"])
    found = audit(records, Sketches(snakemake.input.sketches))
    TWINS.write(found.twins, snakemake.output.twins)
    PAIRS.write(found.pairs, snakemake.output.pairs)
    ANOMALIES.write(found.anomalies, snakemake.output.anomalies)
    write_json(snakemake.output.summary, found.summary)
