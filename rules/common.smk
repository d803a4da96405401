# Configuration, paths, wildcard constraints, and what all rules have in common.

import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Use the library of this checkout, installed or not, also in conda environments and on cluster nodes.
SOURCE = str(Path(workflow.basedir, "src"))
sys.path.insert(0, SOURCE)

from ecgpipe.acquire.datasets import make_dataset
from ecgpipe.acquire.header_labels import CODE_TABLE
from ecgpipe.config.analysis import DIGITIZED_BASELINE, SIGNAL_BASELINE
from ecgpipe.config.data import PROTOCOL_PATTERN, base_protocol
from ecgpipe.config.kit import kit_hash
from ecgpipe.config.pages import READER_WEIGHTS
from ecgpipe.config.schema import validate_config
from ecgpipe.config.targets import Targets, job_name
from ecgpipe.environment import export_source, refuse_second_submission
from ecgpipe.errors import EcgpipeError
from ecgpipe.fingerprint import file_hash, fingerprint
from ecgpipe.paper import load_paper

export_source(SOURCE)
code_of = cache(fingerprint)

try:
    CONFIG = validate_config(config, workflow.config_settings.config_args)
except EcgpipeError as error:
    raise WorkflowError(str(error)) from None
config["strict"] = CONFIG.strict  # scripts read it; there may be no config.yaml in the working directory

DATASETS, SHARDS = {}, {}
for name in CONFIG.datasets:
    dataset = make_dataset(name, CONFIG.settings_of(name), CONFIG.results, CONFIG.resources, CONFIG.ptb_xl)
    DATASETS[name] = dataset
    try:
        SHARDS[name] = dataset.shards()
    except EcgpipeError as error:
        raise WorkflowError(f"{dataset.key}.source: {error}") from None

TARGETS = Targets(CONFIG, SHARDS)
RESULTS, RESOURCES = CONFIG.results, CONFIG.resources
DATASET = f"{RESULTS}/{{dataset}}"
RUN = f"{DATASET}/{{protocol}}/{{variant}}/seed-{{seed}}"


wildcard_constraints:
    dataset="|".join(DATASETS),
    protocol=PROTOCOL_PATTERN.pattern,
    target="|".join(DATASETS),
    target_protocol=PROTOCOL_PATTERN.pattern,
    variant=r"[A-Za-z0-9_.+]+",
    seed=r"\d+",
    shard=r"\d+",
    trial=r"[A-Za-z0-9_.=,+-]+",


def complete_rules():
    """Give every rule with a script its log, its benchmark, the parameter `code` and, if it names none, the environment.

    `code` is a fingerprint of the script and the library code that it uses: a change runs the rule's jobs again.
    Downloads have none: their files are the same, whatever code fetches them.
    """
    for each in workflow.rules:
        if each.script is not None:
            name = job_name(each.name, each.output[0])
            each.log_modifier = each.benchmark_modifier = each.output_modifier
            each.set_log(f"{RESULTS}/logs/{name}.log")
            each.benchmark = f"{RESULTS}/benchmarks/{name}.tsv"
            if not each.name.startswith(("download_", "unpack_")):
                each.set_params(code=lambda w, script=Path(workflow.basedir, "rules", each.script): code_of(script))
            each.conda_env = each.conda_env or "../envs/data.yaml"


def section(name, *keys):
    """A section of the configuration as plain values, or only the given keys: rules take only what they use."""
    values = getattr(CONFIG, name).model_dump(mode="json")
    return {key: values[key] for key in keys} if keys else values


def scaled(amount):
    """A resource that grows with every attempt at a job (`retries` in the profile)."""
    return lambda wildcards, attempt: attempt * amount


def dataset_attr(attribute):
    """Function of the wildcards: an attribute of the job's dataset."""
    return lambda wildcards: getattr(DATASETS[wildcards.dataset], attribute)


def of_dataset(function):
    """Function of the wildcards: the result of a function for the job's dataset."""
    return lambda wildcards: function(wildcards.dataset)


def raw_files_hash(wildcards):
    """Hash of the raw files of the job's shard."""
    return DATASETS[wildcards.dataset].raw_files_hash(wildcards.shard)


def raw_files_of(dataset):
    """Shard -> hash of its raw files, of all shards of a dataset."""
    return {shard: DATASETS[dataset].raw_files_hash(shard) for shard in SHARDS[dataset]}


def generated_inputs(wildcards):
    """The raw files, if a rule makes them; the user's files are watched shard by shard (raw_files_hash)."""
    return DATASETS[wildcards.dataset].generated_inputs()


def shard_files(pattern):
    """Input function: a file of every shard of the job's dataset."""
    return lambda wildcards: TARGETS.of_shards(pattern, [wildcards.dataset])


def signals_of(dataset):
    """Input function: the signals of all shards of a dataset, for networks on recordings; none without a dataset."""
    return lambda wildcards: TARGETS.of_shards("baselines/{shard}.signals.npz", [dataset]) if dataset else []


def layout_hash(wildcards):
    """Hash of the layout file of drawn pages; empty without one."""
    return file_hash(CONFIG.render.layout) if CONFIG.kind_of(wildcards.dataset) == "signals" else ""


@cache
def kit_version():
    """Hash of ECG-Image-Kit, if it draws the pages, else empty."""
    return kit_hash(CONFIG.render.kit_path) if CONFIG.render.renderer == "ecg-image-kit" else ""


def weights_hash():
    """Hash of the weights of the page reader, the configured ones or those in the package."""
    return file_hash(CONFIG.preprocess.reader_weights or READER_WEIGHTS)


def reader_hash(wildcards):
    """`weights_hash`, if the images of the job's dataset are read from pictures, else None."""
    return weights_hash() if CONFIG.reads_pictures(wildcards.dataset) else None


def drawing_of(dataset):
    """How the pages of a dataset are made (ecgpipe.imaging.pages): drawn from signals, or read from image files."""
    options = {"sampling_rate": None, "derive_leads": False} | DATASETS[dataset].read_options
    render = CONFIG.render.appearance if CONFIG.kind_of(dataset) == "signals" else None
    return {"source": DATASETS[dataset].source, "render": render, **options}


def shown_pages(wildcards):
    """Input function: the pages that the images of the job's dataset show; none if they are drawn on demand."""
    return TARGETS.shown_pages(wildcards.dataset, wildcards.get("shard"))


def shown_drawing_of(dataset):
    """How the pages of `shown_pages` are drawn (ecgpipe.imaging.pages); None if they are in pages files."""
    if CONFIG.digitizes(dataset):
        return {"canonical": CONFIG.redrawing_of(dataset).model_dump(mode="json")}
    return None if CONFIG.keep_pages else drawing_of(dataset)


def duplicates_of(dataset):
    """The audit's table of duplicates, if nothing else shows which images are the same file."""
    required = DATASETS[dataset].duplicates_from_audit
    return f"{RESULTS}/{dataset}/audit/duplicates.parquet" if required else []


def external(wildcards):
    """The entry of benchmark.external to which a job belongs."""
    return TARGETS.external(wildcards.dataset, wildcards.protocol, wildcards.target, wildcards.target_protocol)


def image_origin(dataset):
    """How the images of a dataset are made; differences between two datasets contribute to the difference in scores."""
    options = drawing_of(dataset)
    return {"made": CONFIG.origin_of_images(dataset)} | {key: options[key] for key in ("sampling_rate", "derive_leads")}


def trial(wildcards):
    """The settings of a trial of the search for a recipe."""
    return CONFIG.trials[f"{wildcards.variant}/{wildcards.trial}"]


def continued(wildcards):
    """The weights of the run that a job's training continues."""
    return TARGETS.continued(wildcards.dataset, wildcards.protocol, wildcards.variant, wildcards.seed)


def windows(suffix):
    """Input function: files of the additional pages per record that a run or a trial uses (train.windows)."""
    recipe = lambda w: trial(w).train if "trial" in w.keys() else CONFIG.train_of(w.variant)
    return lambda wildcards: TARGETS.windows(wildcards.dataset, recipe(wildcards), suffix)


def check_cluster_jobs():
    """Stop before any job starts if the cluster still runs jobs of an earlier Snakemake that was killed."""
    try:
        refuse_second_submission(workflow.workdir_init)
    except EcgpipeError as error:
        raise WorkflowError(str(error)) from None


def disable_job_rate_limit():
    """Remove Snakemake's default limit of 100 jobs per second, unless the user set another.

    With any limit, Snakemake (9.27) checks its ready jobs again one second after each check, and every job that ends
    starts another such chain: after a few hundred jobs, this occupies a whole core.
    """
    scheduler = getattr(workflow, "scheduler", None)
    limiter = getattr(scheduler, "job_rate_limiter", None)
    if limiter is not None and (limiter.max_jobs, limiter.timespan) == (100, 1):
        scheduler.job_rate_limiter = None
