"""What every test stands on."""

import signal

# A shell lets jobs in its background ignore Ctrl-C, and programs that tests start there, to interrupt them, inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)
