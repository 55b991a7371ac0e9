"""The end of what a child said, fit to be kept: few lines, of bounded length, without secrets."""

import re
from collections.abc import Iterable
from pathlib import Path

MOST_LINES = 20
MOST_CHARACTERS = 4_000
_TAIL_BYTES = 64 * 1024
_LEAST_SECRET = 4
"""Shorter values would blot out ordinary words."""
_HIDDEN = "***"
_IN_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<user>[^/\s:@]*):[^/\s@]+@")
_NAMED = re.compile(r"(?i)\b(password|passwd|secret|token|api[_-]?key)(\"?\s*[=:]\s*\"?)[^\s\",;]+")


def last_lines(path: Path, secrets: Iterable[str], *, begins: int = 0) -> str:
    """The last lines of a log file from a byte on; empty where there are none."""
    try:
        with path.open("rb") as handle:
            size = handle.seek(0, 2)
            handle.seek(max(begins, size - _TAIL_BYTES))
            text = handle.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line for line in text.splitlines() if line.strip()][-MOST_LINES:]
    return without_secrets("\n".join(lines), secrets)[-MOST_CHARACTERS:]


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """The text with stars for the secrets given, for passwords in addresses, and for what is called one."""
    for secret in sorted({s for s in secrets if len(s) >= _LEAST_SECRET}, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    text = _IN_ADDRESS.sub(rf"\g<scheme>\g<user>:{_HIDDEN}@", text)
    return _NAMED.sub(rf"\1\2{_HIDDEN}", text)
