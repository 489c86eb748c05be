"""Makes the model that ships with the package, in `model/` beside this file: text, then tokenizer, then weights.

Nothing here runs in the graph; `base` is run by hand when the model is to be made again. Which files a checkpoint must
have is `training.checkpoint`.
"""
