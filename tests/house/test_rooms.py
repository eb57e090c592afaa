"""Where things are: the rooms, files of a subject, and the words that names are made of."""

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

import agents
import store
from tests.house.tree import PACKAGES, ROOT, files, modules, name, parsed

ROOMS = {
    "store": {"audit", "client", "feed", "files", "live", "log", "registries", "scripts"},
    "agents": {
        "conversation",
        "copies",
        "examples",
        "mcp",
        "memory",
        "middleware",
        "models",
        "replay",
        "tools",
        "turn",
    },
    "agents/middleware": {"compaction", "file_system", "pipeline", "sub_agent"},
    "agents/models": {"anthropic", "scripted"},
    "deployments": {
        "access",
        "background",
        "batches",
        "channels",
        "cli",
        "direct",
        "feed",
        "host",
        "indexes",
        "ingress",
        "local",
        "metrics",
        "overview",
        "page",
        "process",
        "ray_internals",
        "replay",
        "rollout",
        "routing",
        "schedules",
        "work",
    },
    "deployments/channels": {"pipeline", "sending"},
    "deployments/cli": {"commands"},
    "deployments/feed": {"consumers"},
    "deployments/ingress": {"routes", "streams"},
    "deployments/work": {"jobs"},
}
FLAT_IN_DEPLOYMENTS = {"__init__.py", "app.py", "settings.py"}
TEST_PARTS = {"chaos", "house", "messages_api", "servers", "support"}
"""Folders of tests that may have modules without tests in them: parts that tests are made of."""

MAX_LINES = 350
MAX_ACTOR_LINES = 150
MAX_EXPORTS = 14
SMALL_LINES = 60
"""Below this a module with one importer joins that, unless somebody would look for it by its name."""

LISTS = {
    "agents/examples": "an agent, or what it works on",
    "agents/examples/offline": "a script",
    "agents/examples/tools": "a tool",
    "agents/middleware": "a feature",
    "deployments/cli/commands": "a command",
    "deployments/feed/consumers": "a consumer",
    "deployments/ingress/routes": "a resource of the API",
    "deployments/ray_internals": "a part of Ray",
    "store/registries": "a register",
}
"""Rooms in which every file is one of a kind, however small: their listing is the list of these."""

SUBJECTS = {
    "deployments/channels/sending/graphemes.py": "what people see as one character",
    "deployments/channels/sending/pacing.py": "how fast a person types",
    "deployments/channels/sending/rates.py": "how much a channel takes",
    "deployments/process/trace_settings.py": "what an operator can choose about traces",
    "deployments/batches/checking.py": "which rows can become a message, found out before any is sent",
    "deployments/batches/endings.py": "what becomes of a batch's conversations",
    "deployments/ingress/replica_metrics.py": "what a replica counts, and looks at",
    "deployments/metrics/page.py": "how the tables of docs/metrics.md are written",
    "agents/copies/lawful_shapes.py": "the shapes within records that an import checks",
    "deployments/background/unfinished_imports.py": "what is removed of imports that a crash has ended",
    "deployments/local/old_logs.py": "what is removed from a machine is a subject that people look for by its name",
    "agents/conversation/archiving.py": "when old events move to the archive",
    "agents/conversation/ownership.py": "when an effect must not happen, though its call is in the log",
    "store/apart.py": "which keys of a store apart are its own",
    "store/feed/types.py": "what the feed can tell, and with which data",
    "store/feed/state.py": "how far behind a group of the feed is",
    "agents/conversation/foreign_answers.py": "what a provider is shown of the answers of another one",
    "deployments/indexes/upgrade.py": "what happens to the lists after an upgrade",
    "agents/tools/timeout.py": "how long foreign code may take",
    "deployments/background/abort_turn.py": "what an operator does about a stuck turn",
    "deployments/routing/known_hosts.py": "which hosts a door knows, and how it meets them before people come",
    "deployments/routing/older_hosts.py": "how actors with the code before are called in a rollout",
    "deployments/background/node_drain.py": "what happens before a node goes",
}
"""Small modules with one importer that stay, each with what a reader looks for there."""

PRIVATE_WORDS = frozenset(
    [
        "aboard",
        "census",
        "chores",
        "collector",
        "corridor",
        "crowded",
        "demanded",
        "depart",
        "desk",
        "desks",
        "disown",
        "doorman",
        "eagerness",
        "entitle",
        "errand",
        "evacuation",
        "freeing",
        "gating",
        "glimpse",
        "glimpses",
        "intake",
        "mortal",
        "outages",
        "owed",
        "purse",
        "residents",
        "seat",
        "seats",
        "starter",
        "tales",
        "telemetry",
        "tether",
        "thaw",
        "upheld",
        "workplace",
    ]
)
"""Pictures of our own that once were names here, where the field has a standard word."""

BOUNDS = re.compile(r"(?:^|_)(?:LONGEST|MOST|LARGEST|BIGGEST|HIGHEST)(?:_|$)")
VAGUE = re.compile(r"\b(?:nobody|whoever|somebody|everybody|those (?:that|who))\b", re.IGNORECASE)


@pytest.mark.parametrize("place", ROOMS)
def test_the_rooms(place: str) -> None:
    found = {folder.name for folder in (ROOT / place).iterdir() if folder.is_dir() and folder.name != "__pycache__"}
    assert found - {"static"} == ROOMS[place]


def test_nothing_is_flat_in_deployments_but_the_application_and_the_settings() -> None:
    assert {module.name for module in (ROOT / "deployments").glob("*.py")} == FLAT_IN_DEPLOYMENTS


def test_parts_of_tests_have_a_place_of_their_own() -> None:
    elsewhere = [
        name(module)
        for module in modules("tests")
        if not module.name.startswith("test_") and module.stem not in ("__init__", "__main__", "conftest")
        if not TEST_PARTS & set(module.relative_to(ROOT / "tests").parts)
    ]
    assert elsewhere == []


def test_a_small_file_with_one_importer_joins_it() -> None:
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False, cache_dir=None)
    small = {
        name(module)
        for module in modules(*PACKAGES)
        if module.name != "__init__.py" and _length(module) < SMALL_LINES
        if name(module.parent) not in LISTS
        if len(graph.find_modules_that_directly_import(_dotted(module))) == 1
    }
    assert small == set(SUBJECTS)


def test_no_module_is_too_long() -> None:
    assert {name(module) for module in modules(*PACKAGES) if _length(module) > MAX_LINES} == set()
    assert _length(ROOT / "deployments/host/actor.py") < MAX_ACTOR_LINES


def test_names_are_made_of_standard_words() -> None:
    found = defaultdict(set)
    for module in modules(*PACKAGES, "tests", "benchmarks"):
        for identifier in _defined(module):
            for word in PRIVATE_WORDS & set(_words(identifier)):
                found[name(module)].add(f"{word} in {identifier}")
    assert found == {}


def test_bounds_are_called_max() -> None:
    found = {
        (name(module), target.id)
        for module in modules(*PACKAGES, "tests", "benchmarks")
        for statement in parsed(module).body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
        if isinstance(target, ast.Name) and BOUNDS.search(target.id)
    }
    assert found == set()


def test_processes_nodes_and_callers_are_named_as_such() -> None:
    vague = {name(module): lines for module in modules(*PACKAGES) if (lines := list(_vague_lines(module)))}
    vague.pop("agents/examples/tools/announcement.py", None)  # its docstring is what people are asked
    assert vague == {}
    pages = {name(page): sorted(set(words)) for page in files(".md") if (words := VAGUE.findall(page.read_text()))}
    assert pages == {}


def test_the_packages_have_small_doors() -> None:
    documents = "\n".join(page.read_text() for page in files(".md"))
    assert [word for word in agents.__all__ if not re.search(rf"\b{word}\b", documents)] == []
    assert len(agents.__all__) <= MAX_EXPORTS
    assert len(store.__all__) <= MAX_EXPORTS


def _length(module: Path) -> int:
    return module.read_text().count("\n")


def _dotted(module: Path) -> str:
    return ".".join(module.relative_to(ROOT).with_suffix("").parts)


def _defined(module: Path) -> Iterator[str]:
    """The names that a module gives: its own, and those of its functions, classes, parameters and variables."""
    yield module.stem
    for node in ast.walk(parsed(module)):
        match node:
            case ast.FunctionDef(name=given) | ast.AsyncFunctionDef(name=given) | ast.ClassDef(name=given):
                yield given
            case ast.arg(arg=given) | ast.Name(id=given, ctx=ast.Store()) | ast.Attribute(attr=given, ctx=ast.Store()):
                yield given


def _words(identifier: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)]


def _vague_lines(module: Path) -> Iterator[str]:
    """The lines of comments and docstrings that speak of nobody in particular."""
    source = module.read_text()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and VAGUE.search(token.string):
            yield f"{token.start[0]}: {token.string}"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from (
                f"{node.lineno}: {line.strip()}" for line in node.value.value.splitlines() if VAGUE.search(line)
            )
