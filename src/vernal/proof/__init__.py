"""What can be shown about a result: its certificate, its record, who looked at the test, and its cards.

Nothing here changes a number. Everything is found again from what the run left, so that a stranger can check it.
"""
