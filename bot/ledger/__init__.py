"""What was intended, done and earned, in a database."""
