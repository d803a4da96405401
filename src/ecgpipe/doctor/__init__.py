"""What a machine or cluster has, what a profile asks of it, and what does not fit."""
