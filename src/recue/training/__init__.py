"""Losses, samplers, the loop and checkpoints: everything between a dataset and a trained localizer."""
