"""How an approved order is carried out: the Executor port and its implementations."""
