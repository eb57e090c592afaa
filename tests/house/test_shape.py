"""What every file has in common: it says what it is for, and stays small enough to be read."""

import ast
import re

from tests.house.tree import PACKAGES, modules, name, parsed

ALL = (*PACKAGES, "tests", "benchmarks")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
NAMELESS = re.compile(r"(^|_)(utils?|helpers?|common|manager|misc)(_|$)")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def test_every_module_says_in_a_sentence_what_it_is_for() -> None:
    silent = [name(module) for module in modules(*ALL) if not _opening(parsed(module)).endswith((".", ":"))]
    assert silent == []


def test_every_package_can_be_imported_as_one() -> None:
    bare = {name(module.parent) for module in modules(*PACKAGES) if not (module.parent / "__init__.py").exists()}
    assert bare == set()


def test_no_file_grows_over_its_readers_heads() -> None:
    long = {
        name(module): length for module in modules(*ALL) if (length := _length(module.read_text())) > MAX_FILE_LINES
    }
    assert long == {}


def test_functions_fit_on_a_screen() -> None:
    long = {
        f"{name(module)}:{function.lineno}": length
        for module in modules(*PACKAGES)
        for function in ast.walk(parsed(module))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        if (length := (function.end_lineno or 0) - function.lineno) > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_modules_are_named_for_what_they_hold() -> None:
    assert [name(module) for module in modules(*ALL) if NAMELESS.search(module.stem)] == []


def test_nothing_is_left_for_later() -> None:
    here = __file__
    unfinished = [name(m) for m in modules(*ALL) if str(m) != here and UNFINISHED.search(m.read_text())]
    assert unfinished == []


ONE_NAME = {
    "conversation_id": {"conversation", "conversation_name", "chat", "thread", "child", "session_id", "thread_id"},
    "turn": {"turn_id", "turn_number"},
    "trace_id": {"trace", "traceparent", "trace_name"},
    "tool_call_id": {"call", "call_id", "tool_id"},
}
"""What a line of the log calls what it is about, and other names that somebody might think of."""


def test_log_lines_call_each_thing_by_one_name() -> None:
    said = {name(module): _log_keywords(parsed(module)) for module in modules(*PACKAGES)}
    names = set().union(*said.values())
    assert names >= ONE_NAME.keys()
    others = set().union(*ONE_NAME.values())
    assert {module: used & others for module, used in said.items() if used & others} == {}


def _opening(tree: ast.Module) -> str:
    return (ast.get_docstring(tree) or "").partition("\n\n")[0].strip()


def _length(text: str) -> int:
    return text.count("\n")


def _log_keywords(tree: ast.Module) -> set[str]:
    """The names of what the lines of a module's log say, and of what it binds for lines to come."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    logging = [call for call in calls if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "log"]
    binding = [call for call in calls if ast.unparse(call.func).endswith("bind_contextvars")]
    return {keyword.arg for call in (*logging, *binding) for keyword in call.keywords if keyword.arg is not None}
