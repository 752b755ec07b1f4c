"""A problem card that several tests share."""

CARD = {
    "title": "Where do the frogs call?",
    "target": "RADR",
    "labelling": "multi",
    "world": "open",
    "unit": "clip",
    "performance": {"metric": "average precision", "split": "test_ood", "at_least": 0.8},
    "users": "the reserve's ecologists",
    "use": "choosing ponds to restore",
    "classes": [
        {"name": "RADR", "audioset": "Frog", "band_hz": [200, 1200], "also_written": ["Rana draytonii"]},
        {"name": "grunt", "parent": "RADR"},
        {"name": "growl", "parent": "RADR"},
        {"name": "owl", "audioset": "Owl"},
    ],
}
