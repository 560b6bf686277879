"""The files here are examples of docs/extending.md; `test_my.py` is run as a stranger runs it, in another folder."""

collect_ignore = ["test_my.py"]
