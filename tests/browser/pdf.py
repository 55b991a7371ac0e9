"""The texts of a PDF as Chromium prints it: fonts by glyph number with a table back to characters, flat objects."""

import re
import unicodedata
import zlib
from collections.abc import Iterator

_OBJECT = re.compile(rb"(\d+) 0 obj\n(.*?)endobj", re.DOTALL)
_STREAM = re.compile(rb"stream\n(.*?)\nendstream", re.DOTALL)
_SHOWN = re.compile(rb"/(F\d+) [\d.]+ Tf|<([0-9A-Fa-f]+)>")


def page_texts(data: bytes) -> list[str]:
    """The characters of each page in the order they are painted, without white space, ligatures taken apart."""
    objects = {int(number): body for number, body in _OBJECT.findall(data)}
    return [_text(body, objects) for body in objects.values() if b"<</Type /Page\n" in body]


def _text(page: bytes, objects: dict[int, bytes]) -> str:
    fonts = {
        name: _characters(objects[int(number)], objects) for name, number in re.findall(rb"/(F\d+) (\d+) 0 R", page)
    }
    found: list[str] = []
    characters: dict[int, str] = {}
    for font, glyphs in _SHOWN.findall(_content(page, objects)):
        if font:
            characters = fonts[font]
        else:
            found += [characters.get(int(glyphs[at : at + 4], 16), "") for at in range(0, len(glyphs), 4)]
    return letters("".join(found))


def letters(text: str) -> str:
    """A text without what differs between screen and print."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def _content(page: bytes, objects: dict[int, bytes]) -> bytes:
    return b"\n".join(_inflated(objects[int(number)]) for number in re.findall(rb"/Contents (\d+) 0 R", page))


def _inflated(body: bytes) -> bytes:
    found = _STREAM.search(body)
    assert found is not None
    return zlib.decompress(found.group(1)) if b"/FlateDecode" in body else found.group(1)


def _characters(font: bytes, objects: dict[int, bytes]) -> dict[int, str]:
    """Glyph number → character."""
    named = re.search(rb"/ToUnicode (\d+) 0 R", font)
    return {} if named is None else dict(_mapped(_inflated(objects[int(named.group(1))])))


def _mapped(table: bytes) -> Iterator[tuple[int, str]]:
    for block in re.findall(rb"beginbfchar\n(.*?)endbfchar", table, re.DOTALL):
        for glyph, character in re.findall(rb"<(\w+)> <(\w+)>", block):
            yield int(glyph, 16), bytes.fromhex(character.decode()).decode("utf-16-be")
    for block in re.findall(rb"beginbfrange\n(.*?)endbfrange", table, re.DOTALL):
        for first, last, character in re.findall(rb"<(\w+)> <(\w+)> <(\w+)>", block):
            for at in range(int(last, 16) - int(first, 16) + 1):
                yield int(first, 16) + at, chr(int(character, 16) + at)
