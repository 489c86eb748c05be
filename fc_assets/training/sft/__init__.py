"""Supervised fine-tuning of an adapter for the base model. What every trainer shares is `trainer`."""
