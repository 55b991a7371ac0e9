"""Who sits at the keyboard, for the record."""

import getpass


def person() -> str:
    """The user's name; `a person` where the system knows none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "a person"
