"""Who may know whom: deployments -> agents -> store, and no way back."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import grimp

import agents
from tests.house.tree import PACKAGES, ROOT, modules, name, parsed


def test_the_layers_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False, cache_dir=None)
    known = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    graphlib.TopologicalSorter(known).prepare()  # raises CycleError with the detour


def test_no_import_hides_in_a_function() -> None:
    hidden = [
        f"{name(module)}:{statement.lineno}"
        for module in modules(*PACKAGES)
        for function in ast.walk(parsed(module))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in ast.walk(function)
        if isinstance(statement, ast.Import | ast.ImportFrom)
    ]
    assert hidden == []


def test_agents_is_ours_and_not_the_package_of_that_name() -> None:
    assert agents.__file__ == str(ROOT / "agents" / "__init__.py")


def test_the_environment_is_read_in_one_place() -> None:
    # Beside the settings, only those touch it that hand it on to the processes that they start.
    allowed = {
        "deployments/settings.py",
        "deployments/local/environment.py",
        "deployments/local/service.py",
        "deployments/process/agents_check.py",
        "deployments/process/variables.py",
    }
    readers = {name(module) for module in modules(*PACKAGES) if _mentions_environment(parsed(module))}
    assert readers <= allowed


def _mentions_environment(tree: ast.Module) -> bool:
    return any(
        (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"))
        or (isinstance(node, ast.alias) and node.name in ("environ", "getenv"))
        for node in ast.walk(tree)
    )
