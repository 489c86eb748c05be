"""fc_assets: an asset graph that turns a small language model into a function caller and operates it."""

__version__ = "0.1.0"
