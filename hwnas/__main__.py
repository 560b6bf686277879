"""`python -m hwnas`, which is also how torchrun starts the program."""

from .cli import main

main()
