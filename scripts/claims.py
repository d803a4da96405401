"""Check the paper's claims."""

from ecgpipe.artifacts.predictions import CLAIM_COLUMNS, write_comparisons
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.claims import check_claims
from ecgpipe.evaluate.evidence import gather_evidence
from ecgpipe.logs import job_log
from ecgpipe.paper import load_paper

with job_log(snakemake):
    files = snakemake.input
    paper, config = load_paper(), EvaluateConfig(**snakemake.params.evaluate)
    evidence = gather_evidence(files.comparisons, files.runs, files.labels, files.saliency, paper, config)
    checked = check_claims(paper, evidence, config)
    write_comparisons(snakemake.output.claims, checked, "claims", CLAIM_COLUMNS)
