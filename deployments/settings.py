"""The settings: the one place where Raylogue reads its environment."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from deployments.access.settings import OFF, comma_separated
from deployments.process.trace_settings import TraceSettings
from store.feed.feed import MAX_ENTRIES

LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost"})
SECRETS_DIR = "RAYLOGUE_SECRETS_DIR"
REDIS_SCHEMES = frozenset({"redis", "rediss", "unix", "sentinel"})


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in LOOPBACK_NAMES


class Settings(TraceSettings):
    """Everything that an operator can choose; frozen, and passed as an argument.

    What is secret may stand in files instead, one for each variable and named like it, in the directory that
    `RAYLOGUE_SECRETS_DIR` names: so it is in nothing that Ray or Serve shows. The environment comes first.
    """

    model_config = SettingsConfigDict(
        env_prefix="RAYLOGUE_", env_ignore_empty=True, frozen=True, populate_by_name=True, extra="ignore"
    )

    host: str = Field(
        "127.0.0.1",
        description="Address that the service listens on; a loopback one, unless `RAYLOGUE_AUTH` asks for credentials.",
    )
    port: int = Field(8000, ge=0, le=65535, description="Port of the page and the API; 0 chooses a free one.")
    allowed_hosts: str | None = Field(
        None,
        description="Further names under which people reach the service, separated by commas, `*.example.org` for all "
        "below one; requests for other names than these and loopback ones are refused.",
    )
    dashboard: bool = Field(
        True,
        description="Whether `raylogue up` starts the Ray dashboard; without it Ray takes less of a small machine.",
    )
    dashboard_port: int = Field(
        8265, ge=0, le=65535, description="Port of the Ray dashboard, or the next free one; 0 chooses any."
    )
    data_dir: Path = Field(
        Path(".raylogue"),
        description="Where `raylogue up` keeps the embedded Valkey's data and its run record.",
    )
    redis_url: str | None = Field(
        None,
        description="Your Redis: `redis://`, `rediss://`, `unix://`, or `sentinel://host:port,host:port/service`. "
        "Unset: an embedded Valkey.",
    )
    redis_cluster: bool = Field(False, description="Whether `RAYLOGUE_REDIS_URL` names a Redis Cluster.")
    replicas: int = Field(
        0, ge=0, description="How many replicas of Redis must confirm a change before it counts (docs/durability.md)."
    )
    replicas_seconds: float = Field(
        1.0, gt=0, description="How long one attempt waits for them; it is made again until they have confirmed."
    )
    archive_url: str | None = Field(
        None,
        description="Where the oldest events of long conversations go: a directory, or any URL that fsspec understands "
        "with the driver that you have installed (`s3://bucket/path`). Unset: they stay in Redis (docs/durability.md).",
    )
    archive_keep_events: int = Field(
        1000, ge=1, description="How many of a conversation's newest events stay in Redis at least."
    )
    log_days: float = Field(
        14.0, gt=0, description="How long `raylogue up` keeps the logs of services that have ended."
    )
    prefix: str = Field("raylogue", pattern=r"^[A-Za-z0-9_.-]+$", description="First word of every key in Redis.")
    namespace: str = Field(
        "raylogue", min_length=1, description="Ray namespace in which the conversations' actors live."
    )
    model: str = Field(
        "claude-sonnet-4-5",
        min_length=1,
        description="Model of the default agents, when an API key is present.",
    )
    models: str | None = Field(
        None, description="Further models, separated by commas, that a message to the default agents may choose."
    )
    agents: str | None = Field(
        None,
        description="Your agents: `module:function`, a function from `Settings` to `agents.agent.Catalog`.",
    )
    load_seconds: float = Field(
        20.0, gt=0, description="How long loading your agents may take before a start or a release is refused."
    )
    code_version: str | None = Field(
        None,
        validation_alias=AliasChoices("RAYLOGUE_CODE_VERSION", "RAYLOGUE_RELEASE"),  # the second is its former name
        description="Name of the code that is deployed; unset: a digest of its sources and of your agents' module.",
    )
    dashboard_url: str | None = Field(
        None, description="Where the Ray dashboard is; `raylogue up` sets it, and the page links to it."
    )
    page_module: Path | None = Field(
        None,
        description="A JavaScript module of yours that the page loads, for client tools of your own (docs/tools.md).",
    )
    max_message_bytes: int = Field(
        262_144, ge=1, description="Longest message that is accepted, in bytes of the request's body."
    )
    max_attachment_bytes: int = Field(
        6_291_456, ge=1, description="The same for a message that brings images or documents."
    )
    max_import_bytes: int = Field(
        536_870_912, ge=1, description="Largest file of a conversation that is imported, in bytes."
    )
    placement: Literal["auto", "dedicated", "shared"] = Field(
        "auto",
        description="Where conversations live whose agents and creators request no placement; `auto`: first in a "
        "shared host, then in an actor of their own if they go on.",
    )
    dedicated_per_node: int | None = Field(
        None, ge=0, description="Most dedicated actors on a node; unset: as many as half of its memory holds."
    )
    warm_workers: int = Field(
        1,
        ge=0,
        description="Fewest worker processes that each node keeps ready: one for the successor of a host that dies, "
        "further ones to become dedicated actors; 0 keeps none.",
    )
    max_warm_workers: int | None = Field(
        None,
        ge=1,
        description="Most of them, while dedicated actors are started; unset: two for each core.",
    )
    start_seconds: float = Field(
        300.0,
        gt=0,
        description="How long the start of a dedicated actor is tried, for example where no node has what its agent "
        "asks for; then the turn fails as `not_started`.",
    )
    host_conversations: int = Field(10_000, ge=1, description="Most conversations that live in one shared host.")
    target_conversations: int = Field(
        1_000,
        ge=1,
        validation_alias=AliasChoices("RAYLOGUE_COMFORTABLE_CONVERSATIONS"),
        description="Conversations that a shared host should have at most; at 70 % of it a node gets another host.",
    )
    node_conversations: int | None = Field(
        None,
        ge=1,
        description="Most conversations that live in the shared hosts of a node; unset: only each host has a bound.",
    )
    host_turns: int = Field(500, ge=1, description="Most turns that run in one shared host; a further one gets 429.")
    host_messages: int = Field(1_000, ge=1, description="Most messages that a host takes in at once.")
    hibernate_seconds: float = Field(
        60.0, gt=0, description="How long a conversation that waits for people keeps its working set in memory."
    )
    leave_seconds: float = Field(600.0, gt=0, description="How long an idle conversation stays where it is.")
    drain_seconds: float = Field(
        10.0, ge=0, description="How long running turns may take to come to rest when their host has to leave."
    )
    memory_percent: float = Field(
        90.0,
        gt=0,
        le=100,
        description="With more of a node's memory in use than this, the longest idle conversations go at once.",
    )
    min_replicas: int = Field(1, ge=1, description="Fewest replicas of the ingress.")
    max_replicas: int = Field(1, ge=1, description="Most replicas of the ingress; between the two it scales by itself.")
    target_requests: float = Field(
        500.0, gt=0, description="With more requests a replica than this, streams above all, another one is started."
    )
    upscale_seconds: float = Field(10.0, ge=1, description="How long there must be too few replicas of the ingress.")
    downscale_seconds: float = Field(300.0, gt=0, description="How long there must be too many of them.")
    min_workers: int = Field(
        0, ge=0, description="Fewest workers for jobs; with none at rest, the first job waits until one has started."
    )
    max_workers: int = Field(
        1, ge=1, description="Most workers for jobs; between the two their number follows the backlog."
    )
    work_drain_seconds: float = Field(
        30.0, ge=0, description="How long a worker that has to leave waits for its jobs, before it hands them back."
    )
    batch_url: str | None = Field(
        None,
        description="Where the rows and results of batches are kept: a directory, or any URL that fsspec understands "
        "with the driver that you have installed. All nodes must reach it. Unset: `batches` in `RAYLOGUE_DATA_DIR`.",
    )
    batch_places: str | None = Field(
        None,
        description="What people may name as the source of a batch's rows, or as the place for its results, beside "
        "public web addresses: directories and URLs, separated by commas, with all that is below them.",
    )
    batch_days: float = Field(30.0, gt=0, description="How long a batch that is over is kept, with its files.")
    max_batch_bytes: int = Field(4_294_967_296, ge=1, description="Largest file of rows, in bytes as it is sent.")
    max_batch_rows: int = Field(1_000_000, ge=1, le=100_000_000, description="Most rows of a batch.")
    jobs: str | None = Field(
        None, description="Your jobs: modules, separated by commas, that define them with `@job` (docs/jobs.md)."
    )
    replica_streams: int = Field(2_000, ge=1, description="Most event streams that are open at one replica.")
    replica_messages: int = Field(500, ge=1, description="Most messages that one replica is handing over at once.")
    replica_body_bytes: int = Field(
        67_108_864, ge=1, description="Most bytes of requests' bodies that one replica holds at once."
    )
    replica_answer_bytes: int = Field(
        268_435_456,
        ge=1,
        description="Most bytes of large answers, pages of logs and files, that wait for their clients.",
    )
    stuck_seconds: float = Field(
        600.0, gt=0, description="A turn without any progress for so long is named as stuck: see `raylogue abort`."
    )
    feed_group_days: float = Field(
        7.0,
        gt=0,
        description="How long the feed keeps what a group lacks whose consumer has gone from the code (docs/feed.md).",
    )
    feed_max_entries: int = Field(
        MAX_ENTRIES,
        ge=1000,
        description="Most entries of one of the feed's 64 partitions that wait for the slowest group; older ones are "
        "cut off.",
    )
    heartbeat_seconds: float = Field(15.0, gt=0, description="How often a silent event stream sends a heartbeat.")
    anthropic_api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("ANTHROPIC_API_KEY"),
        description="Key for the Messages API. Unset: the default agents are offline and say so.",
    )
    anthropic_base_url: str | None = Field(
        None,
        validation_alias=AliasChoices("ANTHROPIC_BASE_URL"),
        description="Another server that speaks the Messages API.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """pydantic-settings' hook: arguments, the environment, then the files of secrets."""
        directory = os.environ.get(SECRETS_DIR)
        files = (SecretsSettingsSource(settings_cls, secrets_dir=directory),) if directory else ()
        return (init_settings, env_settings, *files)

    @field_validator("host")
    @classmethod
    def _host_is_private_without_authentication(cls, host: str, info: ValidationInfo) -> str:
        if info.data.get("auth") == OFF and not is_loopback(host):
            raise ValueError(f"{host} is a public address, and RAYLOGUE_AUTH is off: use 127.0.0.1, or set it to keys")
        return host

    @field_validator("agents")
    @classmethod
    def _agents_name_a_function(cls, agents: str | None) -> str | None:
        module, colon, function = (agents or "").partition(":")
        if agents is not None and not (colon and all(map(str.isidentifier, (*module.split("."), function)))):
            raise ValueError(f"it is module:function, such as shop.agents:catalog, not {agents!r}")
        return agents

    @field_validator("redis_url")
    @classmethod
    def _redis_url_has_a_known_scheme(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).scheme not in REDIS_SCHEMES:
            raise ValueError("the scheme must be redis://, rediss://, unix:// or sentinel://")
        return url

    @field_validator("archive_url", "batch_url")
    @classmethod
    def _archive_outlives_a_process(cls, url: str | None) -> str | None:
        if url is not None and "://" not in url:
            return str(Path(url).absolute())  # Ray's processes have other working directories
        if url is not None and urlsplit(url).scheme == "memory":
            raise ValueError("memory:// is lost with the process: name a directory, or object storage")
        return url

    def environment(self) -> dict[str, str]:
        """These settings as environment variables: how they travel to the processes that Ray starts.

        Without the secrets: each process reads those where this one has found them.
        """
        variables = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is not None and not isinstance(value, SecretStr):
                variables[environment_name(name)] = _as_text(value)
        return variables

    @property
    def url(self) -> str:
        """The address of the page and the API."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def further_models(self) -> tuple[str, ...]:
        """The names in `models`."""
        return comma_separated(self.models)

    @property
    def job_modules(self) -> tuple[str, ...]:
        """The modules in `jobs`."""
        return comma_separated(self.jobs)

    @property
    def host_names(self) -> tuple[str, ...]:
        """The names and addresses for which the service answers, beside the loopback ones."""
        return (self.host, *comma_separated(self.allowed_hosts))

    @property
    def offline(self) -> bool:
        """Without an API key the default agents play scripts."""
        return self.anthropic_api_key is None


def _as_text(value: object) -> str:
    match value:
        case Path():
            return str(value.absolute())
        case _:
            return str(value)


def environment_name(field: str) -> str:
    """The environment variable that sets a field."""
    alias = Settings.model_fields[field].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"RAYLOGUE_{field.upper()}"
