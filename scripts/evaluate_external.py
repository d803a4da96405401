"""Score the models of one dataset on another."""

from ecgpipe.artifacts.files import read_json, write_json
from ecgpipe.artifacts.tables import Labels, read_grouped
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.config.external import SharedClass
from ecgpipe.evaluate.external import evaluate_external
from ecgpipe.evaluate.shared import read_shared
from ecgpipe.logs import job_log

with job_log(snakemake):
    inputs, shared = snakemake.input, read_json(snakemake.input.classes)
    classes = [SharedClass(one["name"], tuple(one["source"]), tuple(one["target"])) for one in shared["classes"]]
    runs = read_shared(inputs.external, inputs.source, inputs.internal, Labels.read(inputs.labels), classes)
    scores = evaluate_external(
        runs,
        read_grouped(inputs.records, inputs.duplicates),
        read_grouped(inputs.source_records, inputs.source_duplicates),
        EvaluateConfig(**snakemake.params.evaluate),
    )
    names = {key: snakemake.wildcards[key] for key in ("dataset", "protocol", "target", "target_protocol")}
    write_json(snakemake.output[0], names | shared | {"images": snakemake.params.images} | scores)
