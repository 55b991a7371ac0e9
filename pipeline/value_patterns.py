"""What names and values of a column look like: people, codes, counts, identifiers, times."""

import re
from collections.abc import Sequence
from typing import Any

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

LABEL_WORDS = {"label", "fraud", "anomaly", "attack", "target", "outcome", "intrusion", "malicious", "outlier"}
TIME_WORDS = {
    "time", "timestamp", "ts", "date", "datetime", "at", "epoch", "created", "updated", "when", "sent",
    "received", "start", "started", "end", "ended", "seen", "logged", "occurred",
}  # fmt: skip
CODE_WORDS = {
    "code", "id", "zip", "postcode", "postal", "port", "mcc", "status", "type", "category", "class", "flag",
    "flags", "country", "currency", "version", "protocol", "proto", "level", "channel", "region", "group", "state",
    "method", "model", "mode", "kind", "weekday", "month",
}  # fmt: skip
COUNT_WORDS = {
    "count", "counts", "num", "number", "n", "qty", "quantity", "attempts", "retries", "total", "amount", "age",
    "size", "bytes", "packets", "duration", "length", "items", "seconds", "ms", "score", "rate",
}  # fmt: skip
ID_WORDS = {"id", "uuid", "guid", "key", "ref", "reference", "hash"}
KEY_WORDS = (
    "customer", "account", "user", "client", "card", "device", "host", "sensor", "machine", "node", "src", "source",
    "terminal", "merchant", "session", "ip",
)  # fmt: skip
"""Names of entities, those that alerts are best grouped by first."""

_PERSON_WORDS = {
    "email", "mail", "phone", "mobile", "telephone", "tel", "ssn", "iban", "passport", "surname", "lastname",
    "firstname", "fullname", "birth", "birthday", "dob", "address", "street", "ip", "ipaddr", "pan", "cardnumber",
    "username", "holder",
}  # fmt: skip
_WHOSE_NAME = {"first", "last", "full", "sur", "user", "customer", "client", "holder", "person", "contact", "family"}
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)")
_IPV6 = re.compile(r"(?=.*:.*:)[0-9A-Fa-f:.]{3,45}")
_PHONE = re.compile(r"\+\d[\d ()./-]{6,18}\d")
_UUID = re.compile(r"[0-9A-Fa-f]{8}-?(?:[0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}")
_MOST = 0.8
"""Share of a column's values that must fit a pattern."""


def words_of(name: str) -> list[str]:
    """The words of a name, whatever its style: `srcIP_addr` is src, ip, addr."""
    return [word.lower() for word in _WORDS.findall(name)]


def personal_by_name(name: str) -> str | None:
    """Why a name sounds personal."""
    words = words_of(name)
    joined = "".join(words)
    hit = next((w for w in [*words, joined] if w in _PERSON_WORDS), None)
    if hit is not None and not (hit == "address" and {"mac", "memory", "web"} & set(words)):
        return f"its name says {hit}"
    if words == ["name"] or ("name" in words and _WHOSE_NAME & set(words)):
        return "its name says a person's name"
    if "card" in words and {"number", "no", "num"} & set(words):
        return "its name says card number"
    return None


def personal_by_value(values: Sequence[Any]) -> str | None:
    """Why a column's values look personal."""
    texts = [str(v) for v in values if isinstance(v, str | int) and not isinstance(v, bool)][:1000]
    if not texts:
        return None
    patterns = {"e-mail addresses": _EMAIL, "IP addresses": _IPV4, "phone numbers": _PHONE}
    for what, pattern in patterns.items():
        if _share(texts, lambda text, p=pattern: p.fullmatch(text) is not None) >= _MOST:
            return f"its values look like {what}"
    if _share(texts, lambda text: _IPV6.fullmatch(text) is not None) >= _MOST:
        return "its values look like IP addresses"
    if _share(texts, is_card_number) >= _MOST:
        return "its values look like payment card numbers"
    return None


def is_card_number(text: str) -> bool:
    """13 to 19 digits, spaces and dashes between allowed, that keep the Luhn check (ISO/IEC 7812)."""
    digits = [int(c) for c in text if c.isdecimal()]
    if not 13 <= len(digits) <= 19 or re.sub(r"[\d -]", "", text) or digits[0] == 0:
        return False
    doubled = [d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def looks_like_uuid(values: Sequence[Any]) -> bool:
    """Whether most values are UUIDs or 128-bit hexadecimal numbers."""
    texts = [v for v in values if isinstance(v, str)][:1000]
    return bool(texts) and _share(texts, lambda text: _UUID.fullmatch(text) is not None) >= _MOST


def _share(texts: Sequence[str], fits: Any) -> float:
    return sum(1 for text in texts if fits(text)) / len(texts)
