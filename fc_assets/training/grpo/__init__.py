"""What GRPO is asked and how its completions are rewarded, as plain functions. The process that trains is `grpo_job`."""
