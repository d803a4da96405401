"""Show what Snakemake would run and why, one line per rule: `make plan`, or `python scripts/plan.py --configfile FILE`.

Takes Snakemake's arguments, with the target `all` by default. Nothing is run.
"""

import ast
import contextlib
import io
import logging
import re
import sys
from collections import Counter, defaultdict

MOST_CHANGES = 3
AFTER_OTHERS, AFTER_JOBS = "Input files updated by another job", "after the jobs above"
REASONS = {
    "Forced execution": "forced",
    "Missing output files": "not made yet",
    "Incomplete output files": "interrupted",
    "Updated input files": "changed files",
    "Set of input files has changed since last execution": "other input files",
    "Code has changed since last execution": "changed code",
    "Params have changed since last execution": "changed settings",
    "Software environment definition has changed since last execution": "changed software environment",
}
"""Snakemake's reasons -> our wording."""


class Plan(logging.Filter):
    """Counts jobs and their reasons from Snakemake's log records, and hides the records except warnings."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: Counter[str] = Counter()
        self.reasons: dict[str, Counter[str]] = defaultdict(Counter)
        self.errors: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        """Count a job; keep the text of an error."""
        rule = getattr(record, "rule_name", None)
        if str(getattr(record, "event", "")).endswith("job_info") and rule != "all":
            self.jobs[rule] += 1
            self.reasons[rule].update(short_reasons(record.reason))
        elif record.levelno >= logging.ERROR:
            self.errors.append(record.getMessage())
        return False


def short_reasons(text: str) -> list[str]:
    """Our wording of a job's reasons; ``after the jobs above`` only if there is no other reason."""
    found = []
    for part in text.split("; "):
        name, _, detail = part.partition(":")
        if name == "Updated input files":
            files = detail.split(", ")
            found.append(f"changed file{detail}" if len(files) == 1 else f"{len(files)} changed files")
        elif name == "Params have changed since last execution":
            found += changed_settings(detail)
        elif name != AFTER_OTHERS and name in REASONS:
            found.append(REASONS[name])
    return found or [AFTER_JOBS]


def changed_settings(detail: str) -> list[str]:
    """``epochs: 6 -> 7`` of Snakemake's ``before: {...} now: {...}``; a changed hash is code or a file's content."""
    match = re.search(r"before: (.*) now: (.*)", detail, re.S)
    try:
        before, now = (ast.literal_eval(f"[{part.strip().rstrip(',')}]") for part in match.groups())  # type: ignore[union-attr]
    except (AttributeError, SyntaxError, ValueError):
        return ["changed settings"]
    changes = []
    for new in (value for value in now if isinstance(value, dict)):
        old = max((v for v in before if isinstance(v, dict)), key=lambda v: len(v.keys() & new.keys()), default={})
        changes += [f"{key}: {old.get(key)} -> {value}" for key, value in new.items() if old.get(key) != value]
    if any(isinstance(value, str) and re.fullmatch(r"[0-9a-f]{16}", value) for value in now):
        changes.append("changed code or files")
    more = len(changes) - MOST_CHANGES
    return [*changes[:MOST_CHANGES], *([f"{more} more changes"] if more > 0 else [])] or ["changed settings"]


def as_text(plan: Plan) -> str:
    """A table: rule, number of jobs, and reasons, each with its number of jobs if these are not all."""
    if not plan.jobs:
        return "Nothing to do: everything is up to date."
    width = max(map(len, plan.jobs))
    lines = [f"{'rule':{width}}  jobs  why"]
    for rule, jobs in plan.jobs.items():
        counts = sorted(plan.reasons[rule].items(), key=lambda item: (item[0] == AFTER_JOBS, -item[1]))
        why = [text if count == jobs else f"{text} ({count})" for text, count in counts]
        lines.append(f"{rule:{width}}  {jobs:4}  {'; '.join(why)}")
    return "\n".join([*lines, f"{'total':{width}}  {plan.jobs.total():4}"])


def main(arguments: list[str]) -> int:
    """Print the plan; the exit status is Snakemake's."""
    from snakemake import cli
    from snakemake.logging import logger

    plan, shown = Plan(), io.StringIO()
    logger.addFilter(plan)
    status: object = 0
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        try:
            cli.main(["--dry-run", "--cores", "1", *arguments])
        except SystemExit as end:
            status = end.code
    if status:
        text = "\n".join(plan.errors) or shown.getvalue().strip()
        print(text.splitlines()[-1] if text.startswith("Traceback") else text, file=sys.stderr)
        return 1
    print(as_text(plan))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
