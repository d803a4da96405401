"""Resources of a machine or cluster, the requests of the rules and a profile, and where they do not fit."""
