"""What a clip is, which split and which subset it belongs to: manifest, splits, mining, curation, the demo season."""
