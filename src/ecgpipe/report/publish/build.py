"""Writes the page and what stands beside it, and nothing over files that it did not make."""

import re
from pathlib import Path

import yaml

from ecgpipe.artifacts.files import write_text
from ecgpipe.errors import DataError
from ecgpipe.report.collect import Run, whole_protocol
from ecgpipe.report.names import DATASET_TITLES, names_of_runs
from ecgpipe.report.publish.finished import Finished, read_finished
from ecgpipe.report.publish.page import Page
from ecgpipe.report.publish.record import (
    claims_section,
    commit_of_run,
    data_section,
    problems_section,
    saliency_section,
    system_name,
    trainings_section,
)
from ecgpipe.report.publish.results import overview, protocols_section, results_section
from ecgpipe.report.results import baseline_tables, protocol_view
from ecgpipe.report.statistics import claim_view, comparison_tables, sentences
from ecgpipe.report.summary import summary

INDEX, SETTINGS = "index.md", "configuration.yaml"
MADE = re.compile(r"<!-- made by ecgpipe publish:\n(.*?)-->", re.S)
"""The list of what was written, at the page's end, where no reader sees it."""
OURS = re.compile(r"index\.md|configuration\.yaml|tables/[\w.-]+\.csv|figures/[\w.-]+\.svg")


def publish(results: Path, folder: Path) -> list[Path]:
    """Write FOLDER/index.md, configuration.yaml, tables/*.csv and figures/*.svg.

    The same results give the same bytes. What an earlier call wrote into the folder is replaced, and removed where it
    is no longer made.

    Args:
        results: a results folder with its report.
        folder: for the files; made if it is not there.

    Returns:
        The files.

    Raises:
        DataError: the results have no report, or a file that this did not write stands in the way.
    """
    page = build_page(read_finished(results))
    earlier = _made(folder)
    for name in page.files:
        if (folder / name).exists() and name not in earlier:
            raise DataError(f"{folder / name}: is there, and not of `ecgpipe publish`; move it, or name another folder")
    # the page first: it lists the files, so that a run that is stopped between them can be done again
    for name in sorted(page.files, key=lambda name: name != INDEX):
        write_text(folder / name, page.files[name])
    for name in earlier - set(page.files):
        (folder / name).unlink(missing_ok=True)
    return [folder / name for name in page.files]


def _made(folder: Path) -> set[str]:
    """What an earlier call wrote, as its page says."""
    index = folder / INDEX
    found = MADE.search(index.read_text(encoding="utf-8", errors="replace")) if index.is_file() else None
    return {name for name in found[1].splitlines() if OURS.fullmatch(name)} if found else set()


def build_page(finished: Finished) -> Page:
    """The page with its tables and figures, all of them in ``files``."""
    comparisons = comparison_tables(finished.statistics)
    datasets = [
        {
            "name": name,
            "title": title,
            "audit": finished.audits.get(name),
            "protocols": [
                protocol_view(name, protocol, finished.runs, finished.statistics)
                for protocol in dict.fromkeys(
                    whole_protocol(run.protocol) for run in finished.runs if run.dataset == name
                )
            ],
        }
        for name, title in finished.titles.items()
    ]
    page = Page()
    page.heading(1, (finished.configuration.get("report") or {}).get("title") or "Results")
    page.text(*_made_how(finished))
    overview(page, finished, datasets)
    page.heading(2, "In short")
    page.bullets(
        summary(
            datasets,
            baseline_tables(finished.controls, finished.runs),
            finished.saliency,
            len(finished.problems),
            claim_view(finished.statistics),
            sentences(comparisons, names_of_runs(finished.runs), DATASET_TITLES | finished.titles),
        )
    )
    results_section(page, finished, datasets, comparisons)
    protocols_section(page, finished)
    claims_section(page, finished)
    data_section(page, finished)
    saliency_section(page, finished)
    trainings_section(page, finished)
    problems_section(page, finished)
    page.heading(2, "Made with")
    page.bullets(f"{name}: {value}" for name, value in _software(finished).items())
    page.lines += [f"The whole configuration: [{SETTINGS}]({SETTINGS})", ""]
    page.files[SETTINGS] = yaml.safe_dump(finished.configuration, sort_keys=False, allow_unicode=True, width=110)
    listed = "\n".join(sorted([INDEX, *page.files]))
    page.files[INDEX] = "\n".join(page.lines) + f"\n<!-- made by ecgpipe publish:\n{listed}\n-->\n"
    return page


def _made_how(finished: Finished) -> list[str]:
    """When, by what, and on what: a line."""
    told, trained = finished.provenance, len(finished.runs)
    commits = dict.fromkeys(filter(None, map(commit_of_run, finished.runs)))
    devices = dict.fromkeys(map(_device, finished.runs))
    return [
        f"Report of {finished.written}, by ecgpipe {told.get('ecgpipe', '(version not known)')}, "
        f"commit {told.get('commit', 'not known')}.",
        f"{trained} training{'s' if trained > 1 else ''} on {'; '.join(devices)}, "
        + (f"commit {', '.join(commits)}." if commits else "commit not known (no git checkout)."),
    ]


def _device(run: Run) -> str:
    """What trained: a GPU by its name, of a processor also that."""
    device = run.summary.get("device") or "a device not known"
    processor = (run.summary.get("hardware") or {}).get("processor")
    told = f"{device}, {processor}" if device.startswith("CPU") and processor else device
    return f"{told} ({run.summary.get('precision')})"


def _software(finished: Finished) -> dict[str, str]:
    """Versions and machines, of the trainings and of the report."""
    machines: dict[str, None] = {}
    versions: dict[str, None] = {}
    for run in finished.runs:
        hardware = run.summary.get("hardware")
        if hardware:
            gpus = ", ".join(hardware.get("gpus") or []) or "no GPU"
            size = f"{hardware.get('cores')} logical cores, {hardware.get('memory_gb')} GB"
            machines[f"{hardware.get('processor')}, {size}, {gpus}, {system_name(hardware.get('system'))}"] = None
        if run.summary.get("versions"):
            versions[", ".join(f"{name} {version}" for name, version in run.summary["versions"].items())] = None
    rows = {"Trainings, machine": "; ".join(machines) or "not known"}
    rows |= {"Trainings, versions": "; ".join(versions) or "not known"}
    told = finished.provenance | {"system": system_name(finished.provenance.get("system"))}
    report = ", ".join(f"{name} {version}" for name, version in told.items())
    return rows | {"Report": report or "not known"}
