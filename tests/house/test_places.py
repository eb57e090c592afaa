"""No file knows the machine it was written on, nor where that machine gets its packages."""

import re

from tests.house.tree import files, name

# In pieces, so that this file keeps its own rule.
REGISTRIES = [r"\.".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"))]
HOMES = ["/" + place for place in (r"root/", r"work/", r"home/(?!\.)\w+/", r"Users/\w+/", r"mnt/")]
FORBIDDEN = re.compile(r"(?<![\w.~$#-])(?:" + "|".join(HOMES) + ")|" + "|".join(REGISTRIES))
TEXT = (".py", ".md", ".toml", ".lock", ".yaml", ".lua", ".js", ".css", ".html", "Makefile", "run", ".gitignore")


def test_no_machine_and_no_registry_is_named() -> None:
    naming = {name(file): sorted(set(found)) for file in files(*TEXT) if (found := FORBIDDEN.findall(file.read_text()))}
    assert naming == {}
