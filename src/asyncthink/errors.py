"""What goes wrong because of what a person gave: one clear line, exit code 2."""


class InputError(Exception):
    """Bad input: the message says what, where, what is allowed and, where it helps, what to run."""
