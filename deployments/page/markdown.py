"""Assistant text as safe HTML: markdown-it-py renders it, Pygments colours code, nh3 sanitises the result."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from html import escape
from typing import Any, Final

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments import formatters, highlight, lexers, token, util

TEXT_TAGS: Final = {"a", "br", "code", "del", "em", "hr", "p", "pre", "s", "span", "strong"}
BLOCK_TAGS: Final = {"blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "li", "ol", "ul"}
TABLE_TAGS: Final = {"table", "tbody", "td", "th", "thead", "tr"}
ALIGNED: Final = {"class": {"left", "center", "right"}}
CODE_CLASSES: Final = frozenset(str(name) for name in token.STANDARD_TYPES.values() if name)
"""Every class that Pygments puts on a span of code."""
MAX_COLOURED_CHARACTERS: Final = 20_000
"""Longer code stays plain: colouring would take time from all the streams of this process."""

MAX_RENDERED_CHARACTERS: Final = 65_536
"""Longer texts stay plain: a second of processor time is the worst that so much Markdown can take."""
MAX_PROMPT_CHARACTERS: Final = 1_000
"""So much is rendered where it is needed; more would make the other streams of this process wait."""

_RENDERING = ThreadPoolExecutor(1, thread_name_prefix="markdown")  # one: rendering needs the interpreter's lock anyway
_FORMATTER = formatters.HtmlFormatter(nowrap=True)

_CLEANER = nh3.Cleaner(
    tags=TEXT_TAGS | BLOCK_TAGS | TABLE_TAGS,
    attributes={"a": {"href", "title"}, "code": {"data-language"}, "ol": {"start"}},
    allowed_classes={"span": set(CODE_CLASSES)},
    tag_attribute_values={"th": ALIGNED, "td": ALIGNED},
    set_tag_attribute_values={"a": {"target": "_blank"}},
    link_rel="noopener noreferrer nofollow",
    url_schemes={"http", "https", "mailto"},
    # A relative link in a model's answer could only point into this service.
    url_relative="deny",
)


class PageRenderer(RendererHTML):
    """HTML as the page wants it: no foreign images, no inline styles, code marked with its language."""

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A link instead of the picture: fetching one would tell a stranger that the answer was read."""
        source = nh3.clean_text(str(tokens[idx].attrs.get("src", "")))
        label = self.renderInlineAsText(tokens[idx].children or [], options, env)
        return f'<a href="{source}">{nh3.clean_text(label) or source}</a>'

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A block of code, coloured when it names a known language."""
        code, info = tokens[idx].content, tokens[idx].info.split()
        language = info[0] if info else ""
        attribute = f' data-language="{nh3.clean_text(language)}"' if language else ""
        return f"<pre><code{attribute}>{_colour(code, language) or nh3.clean_text(code)}</code></pre>\n"

    def th_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A heading cell."""
        return _cell(tokens[idx])

    def td_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A data cell."""
        return _cell(tokens[idx])


def _cell(cell: Token) -> str:
    # markdown-it aligns with an inline style, which the page's content security policy forbids.
    alignment = str(cell.attrs.get("style", "")).removeprefix("text-align:")
    return f'<{cell.tag} class="{alignment}">' if alignment else f"<{cell.tag}>"


def _colour(code: str, language: str) -> str | None:
    """The HTML of `code`, escaped; None when the language is unknown or the code too long to be worth it."""
    if not language or len(code) > MAX_COLOURED_CHARACTERS:
        return None
    try:
        return str(highlight(code, lexers.get_lexer_by_name(language), _FORMATTER))
    except util.ClassNotFound:
        return None


_MARKDOWN = MarkdownIt("commonmark", {"html": False}, renderer_cls=PageRenderer)
_MARKDOWN.enable(["table", "strikethrough"])


@lru_cache(maxsize=512)
def render_markdown(text: str) -> str:
    """The sanitised HTML of `text`: never scripts, styles, images or relative links.

    It takes up to a second of processor time: on an event loop, use `render`.
    """
    if len(text) > MAX_RENDERED_CHARACTERS:
        return f"<pre>{escape(text, quote=False)}</pre>\n"
    return _CLEANER.clean(_MARKDOWN.render(text))


async def render(text: str) -> str:
    """What `render_markdown` gives, while the event loop goes on."""
    if len(text) <= MAX_PROMPT_CHARACTERS:
        return render_markdown(text)
    return await asyncio.get_running_loop().run_in_executor(_RENDERING, render_markdown, text)


async def render_answer(content: Sequence[Mapping[str, Any]]) -> str:
    """The text of an assistant's content blocks, as `render` gives it."""
    return await render(text_of(content))


def text_of(content: Sequence[Mapping[str, Any]]) -> str:
    """The text of content blocks; a sentence that the provider cut into blocks, for its sources, is joined again."""
    text = ""
    before: Mapping[str, Any] = {}
    for block in content:
        if block["type"] == "text":
            is_continued = before.get("type") == "text" and (before.get("citations") or block.get("citations"))
            text += block["text"] if is_continued or not text else f"\n\n{block['text']}"
        before = block
    return text
