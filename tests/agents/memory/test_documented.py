"""The code in docs/memory.md runs as it stands."""

from typing import Any

from agents.clock import now_ms
from agents.memory import PersonalMemory
from agents.models import Step
from store import Store
from tests.house.test_docs_run import DOCS, blocks
from tests.support.recorder import Recorder


async def test_the_code_on_the_page_runs(store: Store) -> None:
    page: dict[str, Any] = {}
    for _, code in blocks(DOCS / "memory.md"):
        exec(code, page)

    agent = page["make"](Recorder(Step("Hello.")).model)
    assert [middleware.name for middleware in agent.each_middleware()] == ["Instructions", "Memory"]
    memory = PersonalMemory(store, "acme/ada", now_ms)
    await page["note_birthday"](store, "acme/ada")
    assert [entry.text for entry in await memory.entries()] == ["Has a birthday on the 4th of May."]
    await memory.add("Likes tea.", {"by": "person"})
    assert (await memory.search("green tea.", page["memory"].ranking))[0].text == "Likes tea."
