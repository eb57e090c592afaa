"""The name of the code that a process runs: what the operator calls it, or a digest of its sources."""

from pathlib import Path

import pytest

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


def test_this_process_has_the_sources_as_they_are() -> None:
    assert not has_stale_code()
