"""recue finds a moment again: show it a clip, get every moment like it in a gallery of videos."""

__version__ = "0.1.0"
