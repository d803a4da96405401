"""Snakemake that asks Slurm every two seconds; its executor adds ten seconds each time that no job ended."""

import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

RemoteExecutor.next_seconds_between_status_checks = property(lambda executor: 2, lambda executor, value: None)

if __name__ == "__main__":
    sys.exit(main())
