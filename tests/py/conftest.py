"""Settings of all tests."""

import signal

# A process started in the background by a shell ignores Ctrl-C, and its children inherit that: the tests that send
# SIGINT need Python's own handler.
signal.signal(signal.SIGINT, signal.default_int_handler)
