"""The paper's claims, with verdicts."""

from ecgpipe.artifacts.comparisons import CLAIM, write_comparisons
from ecgpipe.config.evaluate import EvaluateConfig
from ecgpipe.evaluate.claims import check_claims
from ecgpipe.evaluate.evidence import gather
from ecgpipe.logs import job_log
from ecgpipe.paper import the_paper

with job_log(snakemake.log[0]):
    files = snakemake.input
    paper = the_paper()
    evidence = gather(files.comparisons, files.runs, files.labels, paper)
    checked = check_claims(paper, evidence, EvaluateConfig(**snakemake.params.evaluate))
    write_comparisons(snakemake.output.claims, checked, "claims", CLAIM)
