"""Direct preference optimisation, an arm beside GRPO: groups of completions, the pairs chosen from them, the training.

What is asked and how answers are rewarded is as in `grpo`; the loop and the merge are those of every trainer.
"""
