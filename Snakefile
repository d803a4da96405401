# ecgpipe reads 12-lead ECGs from recordings, scans and photos. It digitizes pages, trains and tests classifiers, and writes one
# HTML report that shows whether the scores can be trusted.
#
#   snakemake --cores 8 all                     everything that config.yaml asks for
#   make plan                                   what would run, and why: snakemake -n in a few lines
#   snakemake --cores 8 images                  one stage; the other targets are below
#   snakemake --cores 8 all --configfile config/demo.yaml
#
# Settings: config.yaml (docs/config.md). Resources: in the rules; profiles/ overrides them (docs/workflow.md).

from snakemake.utils import min_version

min_version("9.1")


configfile: "config.yaml"


include: "rules/common.smk"


if CONFIG.container:

    container: CONFIG.container


include: "rules/acquire.smk"
include: "rules/images.smk"
include: "rules/split.smk"
include: "rules/audit.smk"
include: "rules/train.smk"
include: "rules/tune.smk"
include: "rules/baselines.smk"
include: "rules/evaluate.smk"
include: "rules/external.smk"
include: "rules/card.smk"
include: "rules/explain.smk"
include: "rules/report.smk"
include: "rules/reader.smk"
include: "rules/box.smk"


complete_rules()  # each rule's log, benchmark, environment and code fingerprint


report: "report/workflow.rst"


onstart:
    check_cluster_jobs()
    disable_job_rate_limit()


rule all:
    default_target: True
    input:
        TARGETS.everything(),


rule pages:
    input:
        lambda wildcards: TARGETS.pages(),


rule digitized:
    input:
        TARGETS.of_shards("digitized/{shard}.npz"),


rule images:
    input:
        TARGETS.of_shards("images/{shard}.npy"),


rule audits:
    input:
        TARGETS.of_datasets("audit/audit.json"),
        TARGETS.of_datasets("audit/leaks.json"),


rule splits:
    input:
        TARGETS.splits(),


rule baselines:
    input:
        TARGETS.baselines(),


rule runs:
    input:
        TARGETS.runs("run.json"),


rule models:
    input:
        TARGETS.runs("weights.safetensors"),


rule tuning:
    input:
        TARGETS.of_datasets("tuning/tuning.csv"),


rule external:
    input:
        TARGETS.externals(),


rule all_curves:
    input:
        TARGETS.runs("curves.png"),
