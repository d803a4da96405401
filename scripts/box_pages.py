"""Draw, degrade and digitize the pages of one look, to score the built-in model on them."""

from ecgpipe.artifacts.tables import RECORDS, SPLIT
from ecgpipe.config.box import BoxConfig
from ecgpipe.imaging.digitize import digitize_pages
from ecgpipe.imaging.pages import RenderedPages
from ecgpipe.logs import job_log

with job_log(snakemake):
    recipe, look = BoxConfig(**snakemake.params.recipe), f"{snakemake.wildcards.layout}/{snakemake.wildcards.level}"
    split = SPLIT.read(snakemake.input.split)
    validation, test = (sorted(split.loc[split["role"] == role, "record_id"]) for role in ("validation", "test"))
    records = RECORDS.read(snakemake.input.records)
    records = records.set_index("record_id", drop=False).loc[recipe.records_of(look, validation, test)]
    drawing = snakemake.params.drawing | {"render": recipe.drawing(look).model_dump(mode="json")}
    digitize_pages(
        RenderedPages(records, **drawing),
        None,
        snakemake.output.digitized,
        snakemake.output.problems,
        title=f"digitize {look}",
        workers=snakemake.threads,
    )
