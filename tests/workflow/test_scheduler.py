"""What rules/common.smk takes out of Snakemake's scheduler is still there, by the names it goes by."""

import inspect

from snakemake.cli import get_argument_parser
from snakemake.scheduling.job_scheduler import JobRateLimiter, JobScheduler
from snakemake.settings.types import MaxJobsPerTimespan


def test_the_default_limit_is_the_one_that_is_taken_out():
    """With another name or default, disable_job_rate_limit would do nothing and a core would spin again."""
    default = get_argument_parser().get_default("max_jobs_per_timespan")
    limiter = JobRateLimiter(MaxJobsPerTimespan.parse_choice(str(default)))
    assert (limiter.max_jobs, limiter.timespan) == (100, 1)
    assert "self.job_rate_limiter = " in inspect.getsource(JobScheduler.__init__)
    assert "self.job_rate_limiter is not None" in inspect.getsource(JobScheduler.schedule)
