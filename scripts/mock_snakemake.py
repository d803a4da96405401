"""Run the script of one job by hand, with the `snakemake` object that Snakemake would give it.

In a debugger, from the project's folder; inputs must exist, and outputs are overwritten:

    python -m pdb scripts/mock_snakemake.py evaluate dataset=simulated protocol=patient variant=small_resnet seed=0 --configfile config/demo.yaml

Interactively, to run the lines of a script one by one:

    from scripts.mock_snakemake import mock_snakemake
    snakemake = mock_snakemake("evaluate", "config/demo.yaml", dataset="simulated", protocol="patient", variant="small_resnet", seed=0)
"""  # noqa: E501

import argparse
import runpy
from pathlib import Path

from snakemake.api import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings, SnakemakeApi, StorageSettings
from snakemake.dag import DAG
from snakemake.jobs import Job
from snakemake.script import Snakemake

PROJECT = Path(__file__).resolve().parent.parent


def mock_snakemake(rule: str, *configfiles: str, **wildcards: str | int) -> Snakemake:
    """The object `snakemake` of one job.

    Args:
        rule: name of the rule.
        configfiles: configuration files; they override config.yaml of the working directory.
        wildcards: values of the rule's wildcards.

    Raises:
        WorkflowError: no such rule, or a wildcard is missing.
    """
    return _mock(rule, configfiles, wildcards)[0]


def _mock(rule, configfiles, wildcards) -> tuple[Snakemake, str]:
    """The object, and the path of the rule's script."""
    with SnakemakeApi(OutputSettings(quiet={"all"})) as api:
        workflow = api.workflow(
            snakefile=PROJECT / "Snakefile",
            config_settings=ConfigSettings(configfiles=[Path(file) for file in configfiles]),
            resource_settings=ResourceSettings(cores=1),
            storage_settings=StorageSettings(),
        )._workflow
        workflow.dag_settings = DAGSettings(rerun_triggers=[])
        job_rule = workflow.get_rule(rule)
        job = Job(job_rule, DAG(workflow, rules=[job_rule]), {name: str(value) for name, value in wildcards.items()})
        parts = (job.input, job.output, job.params, job.wildcards, job.threads, job.resources, job.log)
        return Snakemake(*parts, workflow.config, rule, None), str(PROJECT / "rules" / job_rule.script)


def main() -> None:
    """Run the script of the job named on the command line."""
    parser = argparse.ArgumentParser(description="Run the script of one job by hand.")
    parser.add_argument("rule", help="name of the rule")
    parser.add_argument("wildcards", nargs="*", metavar="name=value", help="wildcards of the job")
    parser.add_argument("--configfile", nargs="+", default=[], metavar="FILE", help="configuration files")
    arguments = parser.parse_args()
    wildcards = dict(text.split("=", 1) for text in arguments.wildcards)
    snakemake, script = _mock(arguments.rule, arguments.configfile, wildcards)
    for file in (*snakemake.output, *snakemake.log):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    runpy.run_path(script, init_globals={"snakemake": snakemake})


if __name__ == "__main__":
    main()
