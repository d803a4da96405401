"""What a record does in a run."""

ROLES = ("train", "validation", "test")
