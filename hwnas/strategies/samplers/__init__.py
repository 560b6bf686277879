"""Black-box search, one method a file: ask, evaluate in any way, tell."""
