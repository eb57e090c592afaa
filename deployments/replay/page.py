"""The summary of a replay as one HTML file: figures, plots and the answers that differ, with no script at all.

All that comes from conversations is escaped, and the page forbids itself to load or run anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from deployments.replay.plots import Bar, draw_bars, draw_histogram, draw_scatter
from deployments.replay.totals import Totals

VERDICTS: Final = {
    "same": "the same",
    "words": "other words",
    "calls": "other calls",
    "ending": "another end",
}
CHANGES: Final = {"changed": "other arguments", "missing": "not called any more", "added": "called in addition"}
FIGURES: Final = (
    ("model_calls", "Calls of a model", 1),
    ("input_tokens", "Tokens read", 1),
    ("output_tokens", "Tokens written", 1),
    ("cost", "Cost in US dollars", 1_000_000),
    ("ms", "Time in seconds", 1000),
)
MAX_TEXT: Final = 4000
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --old: #7a7f87; --new: #2f6fde; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .2rem 1rem .2rem 0; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.plots { display: flex; flex-wrap: wrap; gap: 2rem; } figure { margin: 0; }
figcaption { font-weight: 600; margin-bottom: .3rem; }
svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
.old { fill: var(--old); } .new { fill: var(--new); } .axis { stroke: var(--line); }
details { border-top: 1px solid var(--line); padding: .5rem 0; } summary { cursor: pointer; }
.sides { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; }
@media (max-width: 40rem) { .sides { grid-template-columns: 1fr; } }
"""


def summary_page(title: str, described: Mapping[str, object], totals: Totals) -> str:
    """The whole page; `described` says what was tried, by name."""
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
<h1>{escape(title)}</h1>
{_table((escape(name), escape(str(value))) for name, value in described.items() if value not in (None, "", [], ()))}
<h2>Result</h2>
{_result(totals)}
<div class="plots">
{_plots(totals)}
</div>
<h2>What differs most</h2>
{"".join(map(_difference, totals.most_different())) or "<p>Nothing differs.</p>"}
</html>
"""


def _result(totals: Totals) -> str:
    conversations = len(totals.conversations)
    failed = f"; {totals.errors} conversations could not be replayed" if totals.errors else ""
    rows = [
        (escape(name), _number(totals.sums[f"old_{key}"], unit), _number(totals.sums[f"new_{key}"], unit))
        for key, name, unit in FIGURES
    ]
    if totals.judged:
        old, new = (f"{totals.judge_scores[side] / totals.judged:.1f}" for side in ("old", "new"))
        wins = totals.judge_wins
        rows.append(("Score of the judge, of 10", old, new))
        rows.append((f"Better, of {totals.judged} judged", f"{wins['old']}", f"{wins['new']}"))
    unpriced = sum(totals.unpriced.values())
    uncounted = f"<p>{unpriced} answers are of models without a known price: their cost is not counted.</p>"
    lines = (
        f'<tr><td>{name}</td><td class="number">{old}</td><td class="number">{new}</td></tr>' for name, old, new in rows
    )
    return f"""<p>{totals.rows} compared, of {conversations} conversations{failed}.</p>
<table><tr><th></th><th>Recorded</th><th>New</th></tr>
{"".join(lines)}
</table>{uncounted if unpriced else ""}"""


def _plots(totals: Totals) -> str:
    verdicts = [Bar(words, totals.verdicts[name]) for name, words in VERDICTS.items()]
    changes = [Bar(words, totals.call_changes[name]) for name, words in CHANGES.items()]
    plots = [
        ("Answers", draw_bars(verdicts)),
        ("How alike the words are", draw_histogram(totals.similarity, "0", "1")),
        (
            "Seconds: recorded across, new upwards",
            draw_scatter([(old / 1000, new / 1000) for old, new in totals.points]),
        ),
    ]
    if totals.call_changes:
        plots.append(("Calls that differ", draw_bars(changes)))
        tools = sorted(totals.tools.items(), key=lambda tool: (-tool[1].total(), tool[0]))[:12]
        plots.append(("Calls that differ, by tool", draw_bars([Bar(name, count.total()) for name, count in tools])))
    return "\n".join(f"<figure><figcaption>{escape(name)}</figcaption>{plot}</figure>" for name, plot in plots)


def _difference(row: Mapping[str, Any]) -> str:
    place = f"turn {row['turn']}" + (f", step {row['step']}" if row["step"] else "")
    judged = "" if row["judge_new"] is None else f" · judge: {row['judge_old']:g} → {row['judge_new']:g}"
    reason = f"<p>{escape(_cut(row['judge_reason']))}</p>" if row["judge_reason"] else ""
    verdict = escape(VERDICTS[row["verdict"]])
    return f"""<details><summary>{verdict} · {escape(row["conversation"])}, {place}{judged}</summary>
<pre>{escape(_cut(row["question"]))}</pre>{reason}
<div class="sides">{_side("Recorded", "old", row)}{_side("New", "new", row)}</div></details>
"""


def _side(title: str, side: str, row: Mapping[str, Any]) -> str:
    ending = row[f"{side}_ending"]
    why = [word for word in (row[f"{side}_reason"], row[f"{side}_detail"]) if word]
    said = "" if ending == "answered" and not why else f"<p><em>{escape(': '.join([ending, *map(str, why)]))}</em></p>"
    calls = "\n".join(_call(call) for call in row[f"{side}_calls"])
    return f"""<div><strong>{title}</strong> {escape(str(row[f"{side}_model"] or ""))}
{said}<pre>{escape(_cut(row[f"{side}_text"]))}</pre><pre>{escape(_cut(calls))}</pre></div>"""


def _call(call: Mapping[str, Any]) -> str:
    arguments = ", ".join(f"{name}={value!r}" for name, value in call["arguments"].items())
    return f"{call['name']}({arguments})"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"


def _number(value: int, unit: int) -> str:
    return f"{value:,}" if unit == 1 else f"{value / unit:,.2f}"


def _table(rows: Iterable[Sequence[str]]) -> str:
    cells = ("".join(f"<td>{cell}</td>" for cell in row) for row in rows)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"
