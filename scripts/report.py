"""Write the report: index.html, report.json, tables and figures."""

from pathlib import Path

from ecgpipe.config.analysis import ReportConfig
from ecgpipe.imaging.pages import page_source
from ecgpipe.logs import job_log
from ecgpipe.report.build import Inputs, build_report

LISTS = (
    "records",
    "label_tables",
    "labels",
    "problems",
    "splits",
    "images",
    "indices",
    "metrics",
    "overlays",
    "baselines",
    "audits",
    "leaks",
    "saliency",
    "comparisons",
    "protocols",
    "duplicates",
    "external",
)

with job_log(snakemake):
    files = {name: [Path(file) for file in snakemake.input.get(name) or []] for name in LISTS}
    pages = {
        name: page_source([file for file in snakemake.input.pages if Path(file).parts[-3] == name], table, drawing)
        for (name, drawing), table in zip(snakemake.params.drawing.items(), files["records"], strict=True)
    }
    build_report(
        Inputs(
            Path(snakemake.output.page).parent.parent,
            snakemake.params.datasets,
            titles=snakemake.params.titles,
            configuration=snakemake.params.configuration,
            margins=snakemake.params.margins,
            pages=pages,
            claims=[Path(snakemake.input.claims)],
            **files,
        ),
        ReportConfig(**snakemake.params.report),
        Path(snakemake.output.page).parent,
    )
