from support.library import histogram

__all__ = ["histogram"]
