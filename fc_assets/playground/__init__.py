"""The playground: one page on this machine that asks the models of a home side by side. It makes no artefact."""
