"""Plans, delegates to sub-agents, and writes a report into a file; start here for work that takes many steps."""

from collections.abc import Sequence

from agents.agent import Agent
from agents.middleware.compaction import Compaction
from agents.middleware.file_system import FileSystem
from agents.middleware.sub_agent import SubAgent
from agents.middleware.todo_list import TodoList
from agents.models import Model
from agents.tools import Tool, provider_tool

PROMPT = """\
You research a question and write a report. Plan first. Give each part of the question to a scout, at the same time
where they do not need one another; a scout knows nothing but your prompt. Compare what they bring back, send another
where they disagree, and write the report as Markdown into reports/, with sources. Answer with its path and the gist.
"""
SCOUT_PROMPT = """\
You look into one question for somebody who writes a report. Bring back findings, each with its source, and say plainly
what you could not find out. Notes that others should see belong into the files.
"""
WEB_SEARCH = provider_tool("web_search_20250305", "web_search", max_uses=5)


def researcher(model: Model, scouts: Model | None = None, search: Sequence[Tool] = (WEB_SEARCH,)) -> Agent:
    """A researcher on `model`; its scouts run on `scouts`, or on `model`, and use the tools in `search`."""
    files = FileSystem({"": "conversation", "me": "user"})
    scout = Agent(
        name="scout",
        description="looks into one question and brings back findings with their sources",
        model=scouts or model,
        system_prompt=SCOUT_PROMPT,
        tools=search,
        middleware=(files,),
    )
    return Agent(
        name="researcher",
        description="plans, sends scouts ahead and writes a report into a file",
        suggestions=("Research the history of tea",),
        model=model,
        system_prompt=PROMPT,
        middleware=(TodoList(), files, SubAgent([scout], general=False), Compaction()),
        on_busy="queue",
    )
