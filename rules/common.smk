# What all rules share: the validated configuration, the names of things, and functions that compute inputs and parameters.

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The library beside this file is used, installed or not, also by the scripts, in conda environments and on cluster nodes.
SOURCE = str(Path(workflow.basedir, "src"))
sys.path.insert(0, SOURCE)

from ecgpipe.acquire.datasets import make_dataset
from ecgpipe.environment import refuse_second_submission
from ecgpipe.config.schema import validate_config
from ecgpipe.config.data import PROTOCOL_PATTERN, base_protocol, protocol_parts
from ecgpipe.environment import export_source
from ecgpipe.errors import EcgpipeError
from ecgpipe.fingerprint import file_hash, fingerprint
from ecgpipe.paper import the_paper

export_source(SOURCE)

try:
    CONFIG = validate_config(config)
except EcgpipeError as error:
    raise WorkflowError(str(error)) from None

RESULTS = CONFIG.results
RESOURCES = CONFIG.resources
DATASETS = {name: make_dataset(CONFIG, name) for name in CONFIG.datasets}

SHARDS = {}
for name, dataset in DATASETS.items():
    try:
        SHARDS[name] = dataset.shards()
    except EcgpipeError as error:
        raise WorkflowError(f"{dataset.key}.source: {error}") from None


wildcard_constraints:
    dataset="|".join(DATASETS),
    protocol=PROTOCOL_PATTERN.pattern,
    variant=r"[A-Za-z0-9_.+]+",
    seed=r"\d+",
    shard=r"\d+",


def section(name):
    """A part of the configuration as plain values; a rule takes only those that it uses."""
    return getattr(CONFIG, name).model_dump(mode="json")


def refuse_a_second_submission():
    """Stop before any job starts if jobs of a Snakemake that was killed still run on the cluster."""
    try:
        refuse_second_submission(workflow.workdir_init)
    except EcgpipeError as error:
        raise WorkflowError(str(error)) from None


def disable_job_rate_limit():
    """Take out the default limit of 100 jobs a second, which nothing here comes near.

    With any limit Snakemake (9.27) looks at its ready jobs again a second after every look, and every job that ends begins another
    such chain: after some hundred jobs that is a whole core. A limit that was asked for stays.
    """
    scheduler = getattr(workflow, "scheduler", None)
    limiter = getattr(scheduler, "job_rate_limiter", None)
    if limiter is not None and (limiter.max_jobs, limiter.timespan) == (100, 1):
        scheduler.job_rate_limiter = None


def code(script):
    """Fingerprint of a script and the library code that it uses (see ecgpipe.fingerprint)."""
    return fingerprint(Path(workflow.basedir, "scripts", script))


def of_datasets(**wanted):
    """Constraint of the wildcard `dataset`: those with these attributes (see ecgpipe.acquire.datasets); maybe none."""
    names = [name for name, each in DATASETS.items() if all(getattr(each, key) == wanted[key] for key in wanted)]
    return "|".join(names) or "(?!)"


def dataset_attr(attribute):
    """Function of the wildcards: an attribute of the job's data set."""
    return lambda wildcards: getattr(DATASETS[wildcards.dataset], attribute)


def raw_files_hash(wildcards):
    """Changes when a raw file of the job's shard does."""
    return DATASETS[wildcards.dataset].raw_files_hash(wildcards.shard)


def listing(wildcards):
    """Changes when records come or go, or a table of theirs in an archive changes."""
    dataset = DATASETS[wildcards.dataset]
    return [dataset.listing_hash(), dataset.table_hashes()]


def raw_input(wildcards):
    """The raw files that the records are listed from."""
    return DATASETS[wildcards.dataset].listing_inputs()


def made_input(wildcards):
    """The raw files, if a rule makes them; a user's own are watched shard by shard (raw_files_hash)."""
    return DATASETS[wildcards.dataset].generated_inputs()


def plugin_mark(variant):
    """Changes when the file that registers a model of one's own does."""
    return file_hash(CONFIG.model_of(variant).plugin)


def initial_weights(wildcards):
    """The weights that a training starts from, if its recipe names another training."""
    init_from = CONFIG.train_of(wildcards.variant).init_from
    return [] if init_from is None else f"{run_folder(*init_from.split('/'), wildcards.seed)}/weights.safetensors"


def windows_of(suffix):
    """Input function: the further pages that a training's records give (train.windows), of every shard."""

    def files(wildcards):
        trial = "trial" in wildcards.keys()
        recipe = trial_of(wildcards).train if trial else CONFIG.train_of(wildcards.variant)
        if recipe.windows > 1 and not is_drawn(wildcards.dataset):
            raise WorkflowError(
                f"train.windows is {recipe.windows} for {wildcards.variant}, but {wildcards.dataset} has images, no recordings "
                "to draw further pages from; give its models a recipe without it"
            )
        return expand(
            f"{RESULTS}/{wildcards.dataset}/windows/{{number}}-of-{recipe.windows}/{{shard}}.{suffix}",
            number=range(2, recipe.windows + 1),
            shard=SHARDS[wildcards.dataset],
        )

    return files


def shard_files(pattern):
    """Input function: a file of every shard of the job's data set."""
    return lambda wildcards: expand(
        f"{RESULTS}/{{dataset}}/{pattern}", dataset=wildcards.dataset, shard=SHARDS[wildcards.dataset]
    )


def every_shard(pattern):
    """A file of every shard of every data set."""
    return [
        file for dataset in CONFIG.datasets for file in expand(f"{RESULTS}/{dataset}/{pattern}", shard=SHARDS[dataset])
    ]


def run_folder(dataset, protocol, variant, seed):
    """Folder of one training."""
    return f"{RESULTS}/{dataset}/{protocol}/{variant}/seed-{seed}"


def every_run(file, variants=None):
    """A file of every training that the configuration asks for (of some variants, if given)."""
    return [
        f"{run_folder(dataset, protocol, variant, seed)}/{file}"
        for dataset in CONFIG.datasets
        for protocol in CONFIG.benchmark.of(dataset).splits
        for variant in CONFIG.benchmark.of(dataset).models
        for seed in CONFIG.benchmark.of(dataset).seeds
        if variants is None or variant in variants
    ]


def every_comparison():
    """The comparisons of every data set and protocol, the parts of a cross-validation together."""
    return [
        f"{RESULTS}/{dataset}/comparisons/{protocol}.json"
        for dataset in CONFIG.datasets
        for protocol in CONFIG.benchmark.of(dataset).protocols
    ]


def predictions_under(dataset, protocol):
    """The predictions of every model and seed under one protocol of a data set."""
    runs = CONFIG.benchmark.of(dataset)
    return [
        f"{run_folder(dataset, part, variant, seed)}/predictions.parquet"
        for variant in runs.models
        for seed in runs.seeds
        for part in protocol_parts(protocol)
    ]


def predictions_of_protocol(wildcards):
    """Those that one comparison needs."""
    return predictions_under(wildcards.dataset, wildcards.whole)


def predictions_by_protocol(wildcards):
    """Those of all protocols of a data set, by the protocols' names."""
    protocols = CONFIG.benchmark.of(wildcards.dataset).protocols
    return {protocol: predictions_under(wildcards.dataset, protocol) for protocol in protocols}


def evaluate_keys(*names):
    """The keys of `evaluate` that a rule uses."""
    return CONFIG.evaluate.model_dump(mode="json", include=set(names))


def every_baseline():
    """The scores of every baseline, for every split of every data set that has them."""
    return [
        f"{run_folder(dataset, protocol, name, seed)}/metrics.json"
        for dataset in CONFIG.datasets
        if CONFIG.benchmark.of(dataset).baselines
        for protocol in CONFIG.benchmark.of(dataset).splits
        for name in CONFIG.baselines.names
        if name != SIGNAL_REFERENCE or is_drawn(dataset)  # image files have no signal
        for seed in CONFIG.benchmark.of(dataset).seeds
    ]


def every_split():
    """Every split that the configuration asks for."""
    return [
        f"{RESULTS}/{dataset}/splits/{protocol}/seed-{seed}.parquet"
        for dataset in CONFIG.datasets
        for protocol in CONFIG.benchmark.of(dataset).splits
        for seed in CONFIG.benchmark.of(dataset).seeds
    ]


def duplicates_of_split(wildcards):
    """The audit's table of copies, for the protocol that keeps copies together, and where nothing else tells them."""
    wanted = base_protocol(wildcards.protocol) == "unique" or DATASETS[wildcards.dataset].duplicates_from_audit
    return f"{RESULTS}/{wildcards.dataset}/audit/duplicates.parquet" if wanted else []


def duplicates_of_scores(wildcards):
    """The same for intervals, which draw distinct files."""
    wanted = DATASETS[wildcards.dataset].duplicates_from_audit
    return f"{RESULTS}/{wildcards.dataset}/audit/duplicates.parquet" if wanted else []


def splits_of(wildcards):
    """The splits of a data set that the configuration asks for."""
    return [file for file in every_split() if file.startswith(f"{RESULTS}/{wildcards.dataset}/")]


def every_dataset(file):
    """A file of every data set."""
    return expand(f"{RESULTS}/{{dataset}}/{file}", dataset=CONFIG.datasets)


def explained_runs(file):
    """A file of every training that is explained: one seed each, since pictures of all would hide the point."""
    first = {dataset: f"seed-{CONFIG.benchmark.of(dataset).seeds[0]}/" for dataset in CONFIG.datasets}
    return [
        path
        for dataset in CONFIG.datasets
        for path in every_run(file, CONFIG.explain.variants)
        if path.startswith(f"{RESULTS}/{dataset}/")
        and first[dataset] in path
        and PROTOCOL_PATTERN.fullmatch(Path(path).parts[-4])[3] in (None, "1")  # of a cross-validation the first part
    ]


def saliency_of_claims():
    """The measured saliency of the models and data sets that the paper's claims about it name."""
    named = {
        (dataset, model)
        for claim in the_paper().claims
        if claim.kind == "saliency"
        for dataset in claim.datasets
        for model in (*claim.first, *claim.second)
    }
    measured = explained_runs("saliency.parquet")
    return [path for path in measured if (Path(path).parts[-5], Path(path).parts[-3]) in named]


def every_page(wildcards):
    """Input function: the pages files of every shard of every data set."""
    if not CONFIG.keep_pages:
        raise WorkflowError("keep_pages is false: there are no pages files; set it to true, or ask for `images`")
    return every_shard("pages/{shard}.parquet")


def is_drawn(dataset):
    """Whether its pages are drawn from signals; else they are image files."""
    return DATASETS[dataset].kind == "signals"


def drawing_of(dataset):
    """How to draw the pages of a data set when somebody looks at them (ecgpipe.imaging.pages); a file's page is the file."""
    reading = {"sampling_rate": None, "derive_leads": False} | DATASETS[dataset].read_options
    render = section("render") if is_drawn(dataset) else None
    return {"source": DATASETS[dataset].source, "render": render, **reading}


def drawing_noted(dataset):
    """The same without the place of the raw files, for a model that is to draw records as its own were drawn."""
    return {key: value for key, value in drawing_of(dataset).items() if key != "source"}


def drawing_if_none_kept(dataset):
    """The same where no pages are kept, else None."""
    return None if CONFIG.keep_pages else drawing_of(dataset)


def records_to_draw(wildcards):
    """The records that pages are drawn of again, where none are kept."""
    return [] if CONFIG.keep_pages else f"{RESULTS}/{wildcards.dataset}/records.parquet"


def raw_to_draw(wildcards):
    """The raw files that pages are drawn from again, if a rule makes them."""
    return [] if CONFIG.keep_pages else made_input(wildcards)


def every_problems_table():
    """What each stage left out."""
    return [
        *every_dataset("records.problems.parquet"),
        *every_shard("pages/{shard}.problems.parquet"),
        *every_shard("images/{shard}.problems.parquet"),
    ]


def get_final_output():
    """What `all` makes."""
    strict = [f"{RESULTS}/strict.ok"] if CONFIG.strict else []
    return strict + [
        f"{RESULTS}/report/index.html",
        *every_run("metrics.json"),
        *every_run("model/config.json"),
        *every_comparison(),
        *every_dataset("comparisons/protocols.json"),
        f"{RESULTS}/report/claims.json",
        *explained_runs("saliency.json"),
    ]


def first_seed(wildcards, file):
    """A file of the same run with the data set's first seed, whose reported records all seeds explain."""
    seed = CONFIG.benchmark.of(wildcards.dataset).seeds[0]
    return f"{run_folder(wildcards.dataset, wildcards.protocol, wildcards.variant, seed)}/{file}"


def maps_of_other_seeds(wildcards):
    """The same records, explained by the run's other seeds."""
    return [
        f"{run_folder(wildcards.dataset, wildcards.protocol, wildcards.variant, seed)}/saliency.npz"
        for seed in CONFIG.benchmark.of(wildcards.dataset).seeds
        if str(seed) != wildcards.seed
    ]


def true_findings(wildcards):
    """Where the findings are, if that is known."""
    if wildcards.dataset != "simulated":
        return []
    return expand(f"{RESULTS}/simulated/findings/{{shard}}.parquet", shard=SHARDS["simulated"])


def trial_of(wildcards):
    """The settings of a trial."""
    return CONFIG.trials[f"{wildcards.variant}/{wildcards.trial}"]


def every_trial(dataset, file):
    """A file of every trial of a data set."""
    return [
        f"{RESULTS}/{dataset}/tuning/{CONFIG.tuning.protocol}/{name}/seed-{seed}/{file}"
        for name in CONFIG.trials
        for seed in CONFIG.tuning.seeds
    ]
