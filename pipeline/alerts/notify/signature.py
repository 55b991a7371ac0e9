"""The webhook's signature: who sent a body, and when, can be checked by whoever shares the secret."""

import hashlib
import hmac

SIGNATURE_HEADER = "Eddyline-Signature"
TOLERANCE_SECONDS = 300


def sign(body: bytes, *, secret: bytes, unix_seconds: int) -> str:
    """The header's value: `t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">`."""
    return f"t={unix_seconds},v1={_digest(body, secret, str(unix_seconds))}"


def verify(
    body: bytes, header: str, *, secret: bytes, now_seconds: float, tolerance_seconds: float = TOLERANCE_SECONDS
) -> bool:
    """Whether `header` was made for exactly this body, with this secret, at most the tolerance ago (or ahead)."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    stamp, digest = parts.get("t", ""), parts.get("v1", "")
    if not (stamp.isascii() and stamp.isdigit()) or abs(now_seconds - int(stamp)) > tolerance_seconds:
        return False
    return hmac.compare_digest(_digest(body, secret, stamp).encode(), digest.encode())


def _digest(body: bytes, secret: bytes, stamp: str) -> str:
    return hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
