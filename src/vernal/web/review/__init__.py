"""Listen and decide: a page on this machine for the people who judge clips.

Queues of candidates become a page with sound and spectrograms; decisions are written as they are made, and
`kedro run --pipeline=curation` takes them up. Nothing here knows Kedro: datasets come through `ProjectContext`.
"""
