"""Listen and decide: queues of candidates become pages with sound and spectrograms for the people who judge clips.

Decisions are written as they are made, and `kedro run --pipeline=curation` takes them up.
"""
