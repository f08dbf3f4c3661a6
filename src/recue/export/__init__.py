"""Search results as something to keep: JSON, clips, a page."""
