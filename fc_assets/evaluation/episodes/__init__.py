"""Whole conversations with tools that run, judged by what they did and compared between variants.

Which conversations there are is `data.sources.episodes`, playing them is `evaluation.inference`. Single answers are
judged in `evaluation.scoring`.
"""
