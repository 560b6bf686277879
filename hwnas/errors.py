"""The two ways a command can say no. Both reach the user as one line, never as a traceback."""


class InputError(ValueError):
    """The user's input is wrong; the message names what is wrong and what to do. Exit code 2."""


class VerificationError(RuntimeError):
    """A claim that a bundle makes does not hold; the message names the first one. Exit code 1."""
