"""Accounts at the simulated venues: money, positions, orders and histories, in decimals and in books of their own.

As the outside world they are evidence against the bot's books, so nothing here imports those. The venues' dialects
translate requests into calls of `account.Account` by way of `held.Accounts`, and tests read the truth from `control`.
"""
