"""What GRPO is asked, and how its completions are rewarded, as plain functions. The training itself is `grpo_job`."""
