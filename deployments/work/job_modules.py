"""Imports the modules that define jobs: ours, one file each in `deployments/work/jobs`, and the operator's own."""

import pkgutil
from importlib import import_module

from deployments.settings import Settings
from deployments.work import jobs


def import_jobs(settings: Settings) -> None:
    """Afterwards `JOB_TYPES` has all types of this service. Raises what an import raises, and JobTypeInvalid."""
    for module in pkgutil.iter_modules(jobs.__path__, f"{jobs.__name__}."):
        import_module(module.name)
    for name in settings.job_modules:
        import_module(name)
