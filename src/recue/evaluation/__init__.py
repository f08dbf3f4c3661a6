"""Metrics as pure functions, the protocols that use them, and what chance would score."""
