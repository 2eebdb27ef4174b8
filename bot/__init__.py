"""What is done: risk, execution, ledger, trader, command line."""
