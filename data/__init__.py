"""What the market said: types, clock, the ccxt gateway, collector, lake, panel, simulated markets."""

import os

# numpy reads it when it is first imported. Its second thread waits busily for work that nobody here has, and rounds
# products of a few hundred rows differently, so that results would depend on the number of cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
