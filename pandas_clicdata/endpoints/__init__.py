"""The calls of the API, one module per noun, one short method per call."""
