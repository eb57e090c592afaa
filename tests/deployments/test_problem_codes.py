"""Every code of a refusal is a problem type of the API, and docs/api.md names it."""

import re

from deployments.ingress.problems import PROBLEM_TYPES
from tests.house.tree import ROOT, modules

REFUSED = re.compile(r"\bRefus(?:al|ed)\(\s*\"(\w+)\"")
NAMED = re.compile(r"`(\w+)`")
OF_NO_ROUTE = {"not_found", "method_not_allowed", "internal"}


def test_every_refusal_has_its_problem() -> None:
    codes = {code for module in modules("agents", "deployments") for code in REFUSED.findall(module.read_text())}
    assert len(codes) > 5
    assert codes <= set(PROBLEM_TYPES)


def test_the_document_names_every_problem() -> None:
    problems = (ROOT / "docs" / "api.md").read_text().partition("## Problems")[2]
    assert set(PROBLEM_TYPES) - OF_NO_ROUTE <= set(NAMED.findall(problems))
