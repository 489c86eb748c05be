"""How things are shown: figures, text templates, tables on a terminal. What is shown belongs to the rooms."""
