"""The audit of a whole data set: copies, anomalies, conflicts."""

import pandas as pd

from ecgpipe.artifacts.atomic import write_json
from ecgpipe.artifacts.audit import ANOMALIES, PAIRS, SKETCHES
from ecgpipe.artifacts.records import RECORDS
from ecgpipe.artifacts.twins import TWINS
from ecgpipe.audit.summary import audit
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
    sketches = pd.concat([SKETCHES.read(file) for file in snakemake.input.sketches], ignore_index=True)
    found = audit(RECORDS.read(snakemake.input.records), sketches)
    TWINS.write(found.twins, snakemake.output.twins)
    PAIRS.write(found.pairs, snakemake.output.pairs)
    ANOMALIES.write(found.anomalies, snakemake.output.anomalies)
    write_json(snakemake.output.summary, found.summary)
