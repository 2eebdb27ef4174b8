"""What the market said: types, clock, the ccxt gateway, collector, lake, panel, simulated markets."""

import os

# Libraries read these when they are first imported. OpenBLAS's second thread waits busily for work that nobody here
# has, and rounds products of a few hundred rows differently, so that results would depend on the number of cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# pydantic would ask every distribution that is installed whether it is a plugin of it.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
