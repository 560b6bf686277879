"""Parts for hwnas: see the entry points in pyproject.toml."""
