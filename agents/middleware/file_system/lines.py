"""Text as the model reads and changes it: numbered lines within bounds, and a replacement that is unique."""

from agents.errors import ToolError

MOST_LINES = 1000
MOST_CHARACTERS = 60_000
LONGEST_LINE = 2000


def decoded(content: bytes, path: str) -> str:
    """The text of a file; raises ToolError for one that has none."""
    text = text_of(content)
    if text is None:
        raise ToolError(f"{path} is a binary file of {len(content)} bytes; only text can be read and edited.")
    return text


def text_of(content: bytes) -> str | None:
    """None for what is no text."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def numbered(text: str, start: int, end: int | None) -> str:
    """The lines `start` to `end`, both included, as far as the bounds allow, and a last line on what is missing."""
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
        entry = f"{number:>6}\t{_cut(line)}"
        size += len(entry)
        if len(shown) == MOST_LINES or size > MOST_CHARACTERS:
            break
        shown.append(entry)
    last = start + len(shown) - 1
    if (start, last) != (1, len(lines)):
        onward = f"; read on with start_line={last + 1}" if last < len(lines) else ""
        shown.append(f"(Lines {start} to {last} of {len(lines)}{onward}.)")
    return "\n".join(shown)


def replaced(text: str, old: str, new: str, path: str) -> str:
    """The text with the one occurrence of `old` replaced; raises ToolError if it is not exactly one."""
    if "\r\n" in text and text.count("\r\n") == text.count("\n"):
        # Models write "\n" even where the file never does.
        old, new = (part.replace("\r\n", "\n").replace("\n", "\r\n") for part in (old, new))
    count = occurrences(text, old)
    if count == 0:
        raise ToolError(f"There are 0 matches for `old` in {path}: read the file and copy the passage exactly.")
    if count > 1:
        raise ToolError(f"There are {count} matches for `old` in {path}: add text around it until it is unique.")
    return text.replace(old, new)


def occurrences(text: str, part: str) -> int:
    """How often `part` stands in `text`, overlaps included."""
    count, at = 0, text.find(part)
    while at >= 0:
        count += 1
        at = text.find(part, at + 1)
    return count


def _lines(text: str) -> list[str]:
    # Not splitlines(): for editors and compilers alike, a line ends with a newline and with nothing else.
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _cut(line: str) -> str:
    line = line.removesuffix("\r")
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}… ({len(line)} characters)"
