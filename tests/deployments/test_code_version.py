"""The name of the code that a process runs: what the operator calls it, or a digest of its sources."""

from pathlib import Path

import pytest
import typer

from deployments.process.own_modules import files_of
from deployments.routing.code_version import code_name, has_stale_code
from deployments.settings import Settings


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"RAYLOGUE_CODE_VERSION": "2026-11-21"}, "2026-11-21"),
        ({"RAYLOGUE_RELEASE": "2026-11-21"}, "2026-11-21"),
        ({"RAYLOGUE_CODE_VERSION": "newer", "RAYLOGUE_RELEASE": "older"}, "newer"),
        ({"RAYLOGUE_CODE_VERSION": "", "RAYLOGUE_RELEASE": "older"}, "older"),
    ],
)
def test_an_operator_may_name_it_in_the_former_way_as_well(
    environment: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    settings = Settings()
    assert code_name(settings) == name
    assert settings.environment()["RAYLOGUE_CODE_VERSION"] == name


def test_without_a_name_the_agents_module_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "agents_of_a_test.py"
    monkeypatch.syspath_prepend(tmp_path)
    module.write_text("NUMBER = 1\n")
    settings = Settings(agents="agents_of_a_test:catalog")
    first = code_name(settings)
    assert first == code_name(settings) != code_name(Settings())
    module.write_text("NUMBER = 2\n")
    assert code_name(settings) != first


def test_the_modules_next_to_it_that_it_imports_count_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    for file, source in {
        "ownshop/__init__.py": "raise SystemExit('never executed')\n",
        "ownshop/agents.py": "import json\nfrom . import tools\nfrom ownwords.rude import WORD\nimport ownplain as p\n",
        "ownshop/tools/__init__.py": "def of():\n    from ..prices import PRICE\n",
        "ownshop/prices.py": "from ownshop import agents\n",
        "ownshop/unused.py": "",
        "ownwords/rude.py": "def broken(:\n",
        "ownplain.py": "",
        "json.py": "",
        "ownunused.py": "",
    }.items():
        (tmp_path / file).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / file).write_text(source)
    of_agents = ["ownplain.py", "ownshop/__init__.py", "ownshop/agents.py", "ownshop/prices.py"]
    assert [str(file.relative_to(tmp_path)) for file in files_of("ownshop.agents")] == [
        "json.py",  # it would be imported from there, if it were not in the standard library
        *of_agents,
        "ownshop/tools/__init__.py",
        "ownwords/rude.py",
    ]
    assert tmp_path / "ownshop/unused.py" in files_of("ownshop"), "of a package all counts"
    assert [files_of("ownplain"), files_of("no_such_module_there")] == [[tmp_path / "ownplain.py"], []]
    settings = Settings(agents="ownshop.agents:catalog")
    first = code_name(settings)
    (tmp_path / "ownwords/rude.py").write_text("WORD = 1\n")
    assert code_name(settings) != first


def test_of_installed_packages_only_ones_own_counts() -> None:
    assert {file.relative_to(Path(typer.__file__).parents[1]).parts[0] for file in files_of("typer")} == {"typer"}


def test_this_process_has_the_sources_as_they_are() -> None:
    assert not has_stale_code()
