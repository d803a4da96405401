"""Find the classes that two datasets share."""

from ecgpipe.artifacts.files import write_json
from ecgpipe.artifacts.tables import Labels
from ecgpipe.config.external import shared_classes
from ecgpipe.logs import job_log

with job_log(snakemake):
    source, target = Labels.read(snakemake.input.source), Labels.read(snakemake.input.target)
    names = (snakemake.wildcards.dataset, snakemake.wildcards.target)
    shared = shared_classes(source.classes, target.classes, snakemake.params.classes, snakemake.params.key, names)
    content = {"classes": [one._asdict() for one in shared], "source_task": source.task, "target_task": target.task}
    write_json(snakemake.output[0], content)
