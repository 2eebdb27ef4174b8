"""One file for each revision of the ledger's tables, named by its number. None of them is ever changed."""
