"""Group-relative policy optimisation: what is asked, how completions are rewarded, and the training itself."""
