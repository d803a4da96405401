"""Count validation and test records of each split that have a duplicate, or their patient, in training."""

from pathlib import Path

from ecgpipe.artifacts.files import write_json
from ecgpipe.artifacts.tables import DUPLICATES, RECORDS, SPLIT
from ecgpipe.audit.summary import count_leaks
from ecgpipe.logs import job_log

with job_log(snakemake):
    duplicates, records = DUPLICATES.read(snakemake.input.duplicates), RECORDS.read(snakemake.input.records)
    leaks = []
    for file in map(Path, snakemake.input.splits):
        seed = int(file.stem.removeprefix("seed-"))
        leaks.append(
            {"protocol": file.parent.name, "seed": seed, "roles": count_leaks(SPLIT.read(file), duplicates, records)}
        )
    write_json(snakemake.output[0], leaks)
