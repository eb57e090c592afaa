"""The archive of old events, if the settings name one: looked at before anything starts."""

from deployments.local.errors import CannotStart
from deployments.settings import Settings
from store import Archive


def check_archive(settings: Settings) -> None:
    """Raises CannotStart when the address cannot be used; whether anybody answers there shows later, and may change."""
    if settings.archive_url is None:
        return
    archive = Archive(settings.archive_url)
    try:
        archive.check()
    except ValueError as error:
        raise CannotStart(f"{error}: correct RAYLOGUE_ARCHIVE_URL, or install its driver") from error
    finally:
        archive.close()
