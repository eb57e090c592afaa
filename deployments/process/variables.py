"""The settings as variables: the page that lists them, and variables that look like one and are none."""

import os
from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import AliasChoices

from deployments.access.settings import AccessSettings
from deployments.settings import Settings, environment_name

PAGE = """\
# Settings

Everything is set by environment variables, which `deployments/settings.py` alone reads. This page is written from
that file by `make settings`; `raylogue doctor` checks what is set.

A variable may stand in a file instead: in the directory that `RAYLOGUE_SECRETS_DIR` names, under the variable's name,
as Docker and Kubernetes mount their secrets. The environment comes first. Keep `ANTHROPIC_API_KEY` there, and a
`RAYLOGUE_REDIS_URL` with a password: neither Ray nor Serve ever shows a file.

"""


def unknown_variables() -> list[str]:
    """Each variable of the environment that looks like a setting and is none, with the name that was probably meant."""
    known = {name for field in Settings.model_fields for name in _names_of(field)}
    found = sorted(name for name in os.environ if name.startswith("RAYLOGUE_") and name not in known)
    return [f"{name}{_meant(name, known)}" for name in found]


def settings_page() -> str:
    """The text of docs/settings.md, written from the fields."""
    rows = ["| Variable | Default | Meaning |", "|---|---|---|"]
    fields = Settings.model_fields
    for name in sorted(fields, key=AccessSettings.model_fields.__contains__):  # what each deployment needs comes first
        field = fields[name]
        default = "unset" if field.default is None else f"`{field.default}`"
        rows.append(f"| `{environment_name(name)}` | {default} | {field.description} |")
    return PAGE + "\n".join(rows) + "\n"


def _names_of(field: str) -> list[str]:
    alias = Settings.model_fields[field].validation_alias
    return [str(name) for name in alias.choices] if isinstance(alias, AliasChoices) else [environment_name(field)]


def _meant(name: str, known: Iterable[str]) -> str:
    similar = get_close_matches(name, known, n=1)
    return f" (did you mean {similar[0]}?)" if similar else ""
