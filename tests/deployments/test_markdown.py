"""Markdown as the service renders it for the page."""

import pytest

from deployments.page.markdown import MAX_RENDERED_CHARACTERS, render, render_answer, render_markdown
from tests.support.loop_turns import counted_turns


def test_ordinary_markdown_is_rendered() -> None:
    assert render_markdown("**a** *b* `c` ~~d~~") == ("<p><strong>a</strong> <em>b</em> <code>c</code> <s>d</s></p>\n")


def test_code_is_coloured_by_class() -> None:
    html = render_markdown("```python\nreturn 1 < 2\n```")
    assert html.startswith('<pre><code data-language="python"><span class="k">return</span>')
    assert "&lt;" in html


def test_code_in_an_unknown_language_is_plain() -> None:
    assert render_markdown("```klingon\n<b>\n```") == '<pre><code data-language="klingon">&lt;b&gt;\n</code></pre>\n'


def test_cells_are_aligned_without_a_style() -> None:
    html = render_markdown("|a|b|\n|-|-:|\n|1|2|")
    assert '<td class="right">2</td>' in html
    assert "style" not in html


def test_links_open_in_a_new_tab_without_a_referrer() -> None:
    assert render_markdown("[a](https://example.com)") == (
        '<p><a href="https://example.com" target="_blank" rel="noopener noreferrer nofollow">a</a></p>\n'
    )


def test_a_picture_becomes_a_link() -> None:
    html = render_markdown('![a "b"](https://example.com/a.png)')
    assert "<img" not in html
    assert '<a href="https://example.com/a.png"' in html


async def test_a_sentence_that_cites_its_sources_stays_one() -> None:
    def text(words: str, *citations: str) -> dict[str, object]:
        return {"type": "text", "text": words, **({"citations": citations} if citations else {})}

    search: dict[str, object] = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
    content = [text("I look."), search, text("It is "), text("flat", "a source"), text(".")]
    assert await render_answer(content) == "<p>I look.</p>\n<p>It is flat.</p>\n"
    assert await render_answer([text("one"), text("two")]) == "<p>one</p>\n<p>two</p>\n"


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](/v1/conversations)",
        '![x](https://example.com/"onerror="alert(1))',
        '```"><script>alert(1)</script>\ncode\n```',
        "<style>*{display:none}</style>",
        "<svg onload=alert(1)>",
    ],
)
def test_attacks_become_text(attack: str) -> None:
    html = render_markdown(attack).lower()
    for tag in ("<script", "<img", "<style", "<svg", 'href="/', 'href="javascript', 'href="data', '"onerror'):
        assert tag not in html


def test_a_text_beyond_the_bound_is_plain() -> None:
    longest = "**a** " * (MAX_RENDERED_CHARACTERS // 6)
    assert "<strong>" in render_markdown(longest)
    assert render_markdown(longest + "<b> & more " * 2).endswith("&lt;b&gt; &amp; more </pre>\n")


async def test_the_loop_goes_on_while_markdown_is_rendered() -> None:
    async with counted_turns() as turns:
        assert "![" in await render("![" * (MAX_RENDERED_CHARACTERS // 2))
    assert turns.count > 10
