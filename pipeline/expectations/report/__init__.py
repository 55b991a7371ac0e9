"""Report pages: one self-contained page per quality result, an index over all of them, and the folder they lie in."""
