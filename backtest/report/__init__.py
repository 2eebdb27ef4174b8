"""A walk forward's report: one HTML file that asks for nothing from anywhere, and its trades as tables.

page      the file, from the document that `--json` prints
pictures  what is drawn of the document          chart    lines over time      strips   positions, lineage, verdicts
rows      what the tables say, and by which formula
trades    the same trades as CSV and parquet
"""
