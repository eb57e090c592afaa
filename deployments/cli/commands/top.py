"""`raylogue top`: the cluster at a glance, over and over."""

import json as json_module
import time
from collections.abc import Sequence
from typing import Annotated, Final

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deployments.cli.api import SLOW_TIMEOUT_SECONDS, ApiClient, JsonObject
from deployments.cli.errors import CommandFailed
from deployments.cli.options import JsonOption, UrlOption, open_client
from deployments.cli.transcript import strip_controls

BARS: Final = "▁▂▃▄▅▆▇█"
NODE_CHARACTERS: Final = 12
MAX_BARS: Final = 40
MILLIONTHS: Final = 1_000_000
SUMMARY_LINES: Final = 11
"""What the picture has beside the rows of its tables: figures, heads of tables, and how many rows are left out."""


def top(
    interval: Annotated[float, typer.Option("--interval", min=0.5, max=3600, help="Seconds between two looks.")] = 2.0,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Watch nodes, hosts, turns and what they cost until Ctrl-C; where no terminal reads it, print it once."""
    console = Console()
    with open_client(url) as client:
        if json:
            typer.echo(json_module.dumps(_look(client)))
        elif not console.is_terminal:
            console.print(picture(_look(client), None))
        else:
            _watch(client, console, interval)


def _watch(client: ApiClient, console: Console, interval: float) -> None:
    """A look that fails leaves the picture before it, and says so; the first one must not fail."""
    seen, trouble = _look(client), ""
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(picture(seen, console.height, trouble), refresh=True)
                time.sleep(interval)
                try:
                    seen, trouble = _look(client), ""
                except CommandFailed as error:
                    trouble = str(error)
    except KeyboardInterrupt:
        return


def _look(client: ApiClient) -> JsonObject:
    """Asking all hosts takes some time."""
    return client.ask("GET", "/v1/overview", timeout=SLOW_TIMEOUT_SECONDS)


def picture(seen: JsonObject, height: int | None, trouble: str = "") -> RenderableType:
    """An overview of the API for a terminal with so many lines; None: all of it, however long."""
    nodes, hosts = seen["nodes"], sorted(seen["hosts"], key=_busiest)
    room = len(nodes) + len(hosts) if height is None else max(2, height - SUMMARY_LINES)
    shown_nodes = nodes[: max(1, room // 2)]
    shown_hosts = hosts[: max(1, room - len(shown_nodes))]
    parts: list[RenderableType] = [_head(seen, trouble), *_figures(seen), Text()]
    parts += [_nodes(shown_nodes), *_left_out(len(nodes) - len(shown_nodes), "nodes")]
    parts += [_hosts(shown_hosts), *_left_out(len(hosts) - len(shown_hosts), "hosts")]
    return Group(*parts)


def _busiest(host: JsonObject) -> tuple[bool, int, str]:
    """First what does not answer, then by conversations."""
    return host["answers"], -(host["conversations"] or 0), host["name"]


def _head(seen: JsonObject, trouble: str) -> Text:
    at = time.strftime("%H:%M:%S", time.localtime(seen["at"] / 1000))
    if trouble:
        return _cut(Text(f"Raylogue at {at}. {strip_controls(trouble)}; trying again", style="red"))
    return _cut(Text(f"Raylogue at {at}. Rates are of the last {seen['seconds']:.0f} s", style="dim"))


def _figures(seen: JsonObject) -> list[Text]:
    turns, series, living, dedicated = seen["turns"], seen["series"], seen["conversations"], seen["dedicated"]
    ended = [sum(counts) for counts in zip(*series["outcomes"].values(), strict=True)]
    states = ", ".join(f"{count} {state}" for state, count in living["states"].items())
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in turns["outcomes"].items())
    silent = f", {dedicated['silent']} of them silent" if dedicated["silent"] else ""
    rows = {
        "Turns": f"{turns['per_second']:.2f}/s  {_bars(ended)}  {outcomes}",
        "First token": f"{_quantiles(turns['first_token_ms'])}  (±{turns['quantile_error']:.1%})",
        "Turn": _quantiles(turns["turn_ms"]),
        "Use": f"{seen['usage']['tokens']:,} tokens, ${seen['usage']['cost'] / MILLIONTHS:,.4f}",
        "Conversations": f"{living['live']} live, {living['working']} working{f': {states}' if states else ''}"
        f"; {living['hibernating']} hibernate; {dedicated['live']} dedicated actors{silent}",
    }
    lines = (Text.assemble((f"{name:<15}", "bold"), text) for name, text in rows.items())
    return [_cut(line) for line in lines]


def _cut(line: Text) -> Text:
    """It has one line, however narrow the terminal is."""
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _nodes(nodes: Sequence[JsonObject]) -> Table:
    table = _table("Node", "Address", "Processor", "Memory", "Actors", "Hosts", "Dedicated", "Live")
    for node in nodes:
        marks = [mark for mark in ("head", "draining") if node[mark]]
        table.add_row(
            Text(" ".join([node["id"][:NODE_CHARACTERS], *marks]), style="yellow" if node["draining"] else ""),
            _cut(Text(node["address"])),
            ("?" if node["processor"] is None else f"{node['processor']:.0%}") + f" of {node['cores']:g}",
            "?" if node["memory_size"] is None else f"{node['memory_used'] / node['memory_size']:.0%}",
            *(str(node[name]) for name in ("actors", "hosts", "dedicated", "conversations")),
        )
    return table


def _hosts(hosts: Sequence[JsonObject]) -> Table:
    table = _table("Host", "Node", "Code", "Memory", "Live", "Working")
    for host in hosts:
        name, node = Text(strip_controls(host["name"])), _cut(Text(host["node"][:NODE_CHARACTERS]))
        if not host["answers"]:
            table.add_row(name, node, "", "", "does not answer", "", style="red")
        elif host["conversations"] is None:
            table.add_row(name, node, "", "", "has older code", "")
        else:
            memory = "?" if host["memory"] is None else f"{round(host['memory'] / 1024**2)} MB"
            table.add_row(
                name, node, str(host["code_version"]), memory, str(host["conversations"]), str(host["working"])
            )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for index, column in enumerate(columns):
        # Where there is no room for all, the second column is cut, and no figure.
        table.add_column(column, justify="left" if index < 2 else "right", no_wrap=index != 1)
    return table


def _left_out(count: int, what: str) -> list[Text]:
    return [Text(f"and {count} more {what}", style="dim")] if count else []


def _quantiles(measured: JsonObject) -> str:
    if not measured["count"]:
        return "nothing measured"
    return f"p50 {_duration(measured['p50'])}, p99 {_duration(measured['p99'])}"


def _duration(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _bars(values: Sequence[float]) -> str:
    """A line of the values, added up to at most `MAX_BARS` of them; the highest fills its place."""
    width = max(1, -(-len(values) // MAX_BARS))
    sums = [sum(values[start : start + width]) for start in range(0, len(values), width)]
    highest = max(sums, default=0) or 1
    return "".join(BARS[round(value / highest * (len(BARS) - 1))] for value in sums)
