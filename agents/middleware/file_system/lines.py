"""Text as the model reads and changes it: numbered lines within bounds, and the replacement of a unique passage."""

from agents.errors import ToolError

MAX_LINES = 1000
MAX_CHARACTERS = 60_000
MAX_LINE_CHARACTERS = 2000


def decode_text(content: bytes, path: str) -> str:
    """The text of a file. Raises ToolError for a binary file."""
    text = text_or_none(content)
    if text is None:
        raise ToolError(f"{path} is a binary file of {len(content)} bytes; only text can be read and edited.")
    return text


def text_or_none(content: bytes) -> str | None:
    """The text of a file, None for a binary file."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def number_lines(text: str, start: int, end: int | None) -> str:
    """The lines `start` to `end`, both included, as far as the bounds allow; a last line says which ones these are."""
    lines = _lines(text)
    if not lines:
        return "(The file is empty.)"
    if start > len(lines):
        raise ToolError(f"The file has {len(lines)} lines; there is no line {start}.")
    if end is not None and end < start:
        raise ToolError(f"end_line {end} is before start_line {start}.")
    shown: list[str] = []
    size = 0
    for number, line in enumerate(lines[start - 1 : end], start):
        entry = f"{number:>6}\t{_shorten(line)}"
        size += len(entry)
        if len(shown) == MAX_LINES or size > MAX_CHARACTERS:
            break
        shown.append(entry)
    last = start + len(shown) - 1
    if (start, last) != (1, len(lines)):
        onward = f"; read on with start_line={last + 1}" if last < len(lines) else ""
        shown.append(f"(Lines {start} to {last} of {len(lines)}{onward}.)")
    return "\n".join(shown)


def replace_once(text: str, old: str, new: str, path: str) -> str:
    """The text with the only occurrence of `old` replaced. Raises ToolError unless there is exactly one."""
    if "\r\n" in text and text.count("\r\n") == text.count("\n"):
        # Models write "\n" even for files that end their lines with "\r\n".
        old, new = (part.replace("\r\n", "\n").replace("\n", "\r\n") for part in (old, new))
    count = count_occurrences(text, old)
    if count == 0:
        raise ToolError(f"There are 0 matches for `old` in {path}: read the file and copy the passage exactly.")
    if count > 1:
        raise ToolError(f"There are {count} matches for `old` in {path}: add text around it until it is unique.")
    return text.replace(old, new)


def count_occurrences(text: str, part: str) -> int:
    """How often `part` occurs in `text`, overlaps included."""
    count, at = 0, text.find(part)
    while at >= 0:
        count += 1
        at = text.find(part, at + 1)
    return count


def _lines(text: str) -> list[str]:
    # Not splitlines(): editors and compilers end a line only at a newline.
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _shorten(line: str) -> str:
    line = line.removesuffix("\r")
    return line if len(line) <= MAX_LINE_CHARACTERS else f"{line[:MAX_LINE_CHARACTERS]}… ({len(line)} characters)"
