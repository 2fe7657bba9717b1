"""Small stories written by a grammar: the training text of the default model."""
