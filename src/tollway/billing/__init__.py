"""What things cost, at most and in fact, and the rules of holds: pure arithmetic on whole numbers."""
