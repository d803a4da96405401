# ecgpipe: from 12-lead recordings to paper-like images, classifiers, and a report.
#
#   snakemake --cores 8 all                     everything that config.yaml asks for
#   snakemake -n all                            what would run, and why
#   snakemake --cores 8 images                  up to the model-ready images (also: pages, audits, splits, baselines, runs, models)
#   snakemake --cores 8 all --configfile config/demo.yaml
#
# Threads, memory and other resources are in profiles/, settings in config.yaml.

from snakemake.utils import min_version

min_version("9.1")


configfile: "config.yaml"


include: "rules/common.smk"


if CONFIG.container:

    container: CONFIG.container


include: "rules/acquire.smk"


if CONFIG.keep_pages:

    include: "rules/render.smk"
    include: "rules/preprocess.smk"

else:

    include: "rules/direct.smk"


include: "rules/split.smk"
include: "rules/audit.smk"
include: "rules/train.smk"
include: "rules/tune.smk"
include: "rules/baselines.smk"
include: "rules/evaluate.smk"
include: "rules/card.smk"
include: "rules/explain.smk"
include: "rules/report.smk"


report: "report/workflow.rst"


# On a cluster these run beside Snakemake itself: they take seconds, a job of their own would take longer to start.
localrules:
    labels,
    split,
    prepare,
    evaluate,
    audit_leaks,
    claims,
    curves,
    strict,


onstart:
    refuse_a_second_submission()
    disable_job_rate_limit()


rule all:
    default_target: True
    input:
        get_final_output(),


rule pages:
    input:
        every_page,


rule images:
    input:
        every_shard("images/{shard}.npy"),


rule audits:
    input:
        every_dataset("audit/audit.json"),
        every_dataset("audit/leaks.json"),


rule splits:
    input:
        every_split(),


rule baselines:
    input:
        every_baseline(),


rule runs:
    input:
        every_run("run.json"),


rule models:
    input:
        every_run("weights.safetensors"),


rule tuning:
    input:
        every_dataset("tuning/tuning.csv"),


rule all_curves:
    input:
        every_run("curves.png"),
