"""What people order: which conversations are replayed, by what, in which mode; and in whose name."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agents.agent import Catalog
from agents.models import Model
from agents.replay.change import Change
from agents.replay.replay import Mode, ReplaySpec
from deployments.access.principal import Principal, Role
from deployments.process.agents import claude
from deployments.settings import Settings

NOT_CONFIRMED: Final = "a live replay runs tools, with all their effects: confirm it with run_tools"
Name = Annotated[str, Field(min_length=1, max_length=200)]


class ReplayOrder(BaseModel):
    """`where` chooses conversations (`agent=assistant since=7d`). Without `agent` each is answered by its own.

    `model` is a name: a model of an agent, or any of the deployment's provider. `system_prompt` takes the place of the
    agent's; `without_tools` are kept from the model. In the mode `live` tools really run, which `run_tools` has to
    confirm. `judge` is an agent that scores the answers that differ. On each node at most `concurrency` conversations
    are replayed at once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    where: Annotated[str, Field(min_length=1, max_length=4000)]
    mode: Mode = "forced"
    agent: Name | None = None
    model: Name | None = None
    system_prompt: Annotated[str, Field(max_length=100_000)] | None = None
    without_tools: Annotated[list[Name], Field(max_length=100)] = []
    judge: Name | None = None
    concurrency: Annotated[int, Field(ge=1, le=64)] = 8
    run_tools: bool = False

    @model_validator(mode="after")
    def _require_confirmation(self) -> Self:
        if self.mode == "live" and not self.run_tools:
            raise ValueError(NOT_CONFIRMED)
        return self


class OrderedBy(BaseModel):
    """The principal of an order, as it was then: it is asked again for each conversation whether it may be read."""

    model_config = ConfigDict(frozen=True)

    tenant: str | None
    user: str
    roles: list[Role]
    scopes: list[Literal["read", "write", "decide", "admin"]]

    @classmethod
    def of(cls, principal: Principal) -> Self:
        return cls(
            tenant=principal.tenant,
            user=principal.user,
            roles=sorted(principal.roles),
            scopes=sorted(principal.scopes),
        )

    def principal(self) -> Principal:
        return Principal(self.tenant, self.user, frozenset(self.roles), frozenset(self.scopes))


class StoredOrder(BaseModel):
    """What the store keeps of a replay."""

    order: ReplayOrder
    by: OrderedBy


class ModelUnknown(LookupError):
    """No model of that name can be asked here."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"no agent has a model {self.name}, and this deployment has no provider's key"


def find_model(settings: Settings, catalog: Catalog, name: str) -> Model:
    """The model of that name: an agent's, or the deployment's provider's. Raises ModelUnknown."""
    known = _known_models(catalog).get(name)
    if known is None and settings.offline:
        raise ModelUnknown(name)
    return known or claude(settings, name)


def _known_models(catalog: Catalog) -> Mapping[str, Model]:
    agents = catalog.agents.values()
    return {name: model for agent in agents for name, model in {agent.model.name: agent.model, **agent.models}.items()}


def make_change(settings: Settings, catalog: Catalog, order: ReplayOrder) -> Change:
    """The change that is tried. Raises ModelUnknown."""
    model = None if order.model is None else find_model(settings, catalog, order.model)
    return Change(model=model, system_prompt=order.system_prompt, without_tools=order.without_tools)


def check_order(settings: Settings, catalog: Catalog, order: ReplayOrder) -> None:
    """Raises `UnknownAgent`, and LookupError for another name that nothing has."""
    # No client of the provider is made here: its SDK takes a second to import.
    if order.model is not None and settings.offline and order.model not in _known_models(catalog):
        raise ModelUnknown(order.model)
    if order.agent is not None:
        Change(without_tools=order.without_tools).apply(catalog.get(order.agent))
    if order.judge is not None:
        catalog.get(order.judge)


def make_spec(settings: Settings, catalog: Catalog, replay_id: str, stored: StoredOrder) -> ReplaySpec:
    """The same as the engine takes it. Raises ModelUnknown."""
    order = stored.order
    return ReplaySpec(
        replay_id=replay_id,
        principal=stored.by.principal().id,
        mode=order.mode,
        agent=order.agent,
        change=make_change(settings, catalog, order),
        judge=order.judge,
    )


def describe(order: ReplayOrder) -> dict[str, Any]:
    """What was tried, for the summary page."""
    return {
        "Conversations": order.where,
        "Mode": order.mode,
        "Agent": order.agent,
        "Model": order.model,
        "System prompt": order.system_prompt,
        "Without the tools": ", ".join(order.without_tools),
        "Judge": order.judge,
    }
