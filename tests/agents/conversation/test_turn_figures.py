"""How long turns take, as a conversation tells it: from the message to the end, whichever process sees that end."""

from agents.agent import Agent, Catalog
from agents.conversation.acceptance import accepting
from agents.models import Call, ScriptedModel, Step
from agents.ports import NoMetrics
from agents.services import Services
from agents.tools import tool
from tests.support.conversations import World, ends, rest, say

START = 1_700_000_000_000


class Noted(NoMetrics):
    """Keeps what it is told of turns, and has the clock by which it is told."""

    def __init__(self) -> None:
        self.now = START
        self.first_tokens: list[tuple[str, float]] = []
        self.turns: list[tuple[str, str, float, bool]] = []

    def clock(self) -> int:
        return self.now

    def note_first_token(self, agent: str, seconds: float) -> None:
        self.first_tokens.append((agent, seconds))

    def note_turn(self, agent: str, outcome: str, seconds: float, *, waited: bool) -> None:
        self.turns.append((agent, outcome, seconds, waited))


async def test_a_turn_is_measured_from_its_message_to_its_end(world: World) -> None:
    world.metrics = noted = Noted()

    @tool
    async def work() -> str:
        """Work."""
        noted.now += 700
        return "done"

    def answer(request: object) -> Step:
        noted.now += 40
        return Step("Done.") if noted.first_tokens else Step(calls=[Call("work")], text="Well")

    agent = Agent(name="worker", model=ScriptedModel(answer), tools=[work])
    await world.create(agent)
    conversation = await world.open(agent, clock=noted.clock)
    await say(conversation)
    await rest(conversation)
    assert noted.first_tokens == [("worker", 0.04)]
    assert noted.turns == [("worker", "completed", 0.78, False)]


async def test_a_turn_that_another_incarnation_takes_up_is_measured_from_its_message(world: World) -> None:
    world.metrics = noted = Noted()
    hanging = Agent(name="worker", model=ScriptedModel(lambda _: Step("Well", hangs="before")))
    quick = Agent(name="worker", model=ScriptedModel(lambda _: Step("Done.")))
    await world.create(hanging)
    first = await world.open(hanging, clock=noted.clock)
    await say(first)
    assert first.inspect().waits_for == [{"kind": "model", "name": "scripted"}]
    await world.crash(first)
    noted.now += 9000
    await rest(await world.open(quick, clock=noted.clock))
    assert noted.turns == [("worker", "completed", 9.0, False)]
    assert noted.first_tokens == [("worker", 9.0)]


async def test_what_is_accepted_in_the_log_alone_is_told_too(world: World) -> None:
    noted = Noted()

    @tool(approval="required")
    def pay() -> str:
        """Pay."""
        return "paid"

    agent = Agent(name="payer", model=ScriptedModel([Step(calls=[Call("pay")])]), tools=[pay])
    await world.create(agent)
    conversation = await world.open(agent, clock=noted.clock)
    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    await world.crash(conversation)
    noted.now += 60_000
    services = Services(store=world.store, metrics=noted, clock=noted.clock)
    catalog = Catalog({"payer": agent}, default="payer")
    async with accepting(services, catalog, await world.store.registry.get("c"), messages=False) as one:
        await one.cancel("ada")
    assert noted.turns == [("payer", "cancelled", 60.0, True)]
    assert ends(await world.events()) == [("cancelled", "user_cancelled")]
