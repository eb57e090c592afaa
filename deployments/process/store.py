"""A process's connections to Redis and to the archive, as the settings name them."""

from deployments.settings import Settings
from store import Archive, Store, connect
from store.client.observer import StoreObserver
from store.client.replication import Replication


def connect_store(settings: Settings, observer: StoreObserver | None = None, *, apart: str | None = None) -> Store:
    """This process's store, on the server that the settings name; the `observer` is told what it does.

    `apart` is the name of one beside it, which is not archived.
    """
    if settings.redis_url is None:
        raise ValueError("RAYLOGUE_REDIS_URL is not set: `raylogue up` sets it, and so must a cluster's nodes")
    return connect(
        settings.redis_url,
        prefix=settings.prefix,
        cluster=settings.redis_cluster,
        replication=Replication(settings.replicas, settings.replicas_seconds),
        archive=open_archive(settings) if apart is None else None,
        observer=observer,
        apart=apart,
    )


def open_archive(settings: Settings) -> Archive | None:
    """The archive that the settings name, if any."""
    if settings.archive_url is None:
        return None
    return Archive(settings.archive_url, keep_events=settings.archive_keep_events)
