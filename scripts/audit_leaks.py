"""How many reported records of each split have a copy in training."""

from pathlib import Path

from ecgpipe.artifacts.atomic import write_json
from ecgpipe.artifacts.records import RECORDS
from ecgpipe.artifacts.splits import SPLIT
from ecgpipe.artifacts.twins import TWINS
from ecgpipe.audit.summary import leak_shares
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
    twins, records = TWINS.read(snakemake.input.twins), RECORDS.read(snakemake.input.records)
    leaks = []
    for file in map(Path, snakemake.input.splits):
        seed = int(file.stem.removeprefix("seed-"))
        leaks.append(
            {"protocol": file.parent.name, "seed": seed, "roles": leak_shares(SPLIT.read(file), twins, records)}
        )
    write_json(snakemake.output[0], leaks)
