"""The files here are examples of docs/extending.md: `test_my.py` is run where a stranger would, in a folder of its own."""

collect_ignore = ["test_my.py"]
