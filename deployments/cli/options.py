"""The options that several commands share, and the settings with those options applied."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import ValidationError

from deployments.cli.api import ApiClient, given
from deployments.cli.errors import CommandFailed
from deployments.local.record import find_running
from deployments.settings import Settings, environment_name

UrlOption = Annotated[
    str | None, typer.Option("--url", help="Address of the service; by default the one that runs here.")
]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Where the local service keeps its data (RAYLOGUE_DATA_DIR).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
AgentOption = Annotated[str | None, typer.Option("--agent", help="Agent of a new conversation; else the default one.")]
ModelOption = Annotated[str | None, typer.Option("--model", help="One of the agent's models; else the agent's own.")]
OnBusyOption = Annotated[
    Literal["reject", "queue", "interrupt", "steer"] | None,
    typer.Option("--on-busy", help="What to do if a turn runs: the agent's policy otherwise."),
]
ConversationArgument = Annotated[str, typer.Argument(help="Id of the conversation.")]


def message_options(model: str | None, on_busy: str | None) -> dict[str, str]:
    """The options of a message as its body takes them."""
    return given({"model": model, "on_busy": on_busy})


def read_settings(**options: object) -> Settings:
    """The settings of the environment; options that were given count before it. Raises CommandFailed."""
    named = given(options)
    try:
        return Settings(**named)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        variable = environment_name(name) if name in Settings.model_fields else name
        reason = first["msg"].removeprefix("Value error, ")
        raise CommandFailed(f"{variable}: {reason}") from error


def open_client(url: str | None, client_tools: Iterable[str] = ()) -> ApiClient:
    """A client of the service at that address, or of the one that runs here; it shows RAYLOGUE_API_KEY."""
    return ApiClient(service_url(url), client_tools, api_key(read_settings()))


def api_key(settings: Settings) -> str | None:
    """The key that the commands show, if one is set."""
    return None if settings.api_key is None else settings.api_key.get_secret_value()


def service_url(given: str | None) -> str:
    """The address that was given; without one, where the service of this machine is or would be."""
    if given:
        return given
    settings = read_settings()
    record = find_running(settings.data_dir)
    return record.url if record else settings.url
