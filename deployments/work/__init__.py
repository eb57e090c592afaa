"""Work without a person: jobs, which docket hands to the workers of the cluster."""

from deployments.work.attempt import JobContext
from deployments.work.client import JobClient
from deployments.work.errors import JobFailed
from deployments.work.job_type import job

__all__ = ["JobClient", "JobContext", "JobFailed", "job"]
