"""What can be bought: the shipped data, what changed in it, and the snapshot that routing reads."""
