"""What came from what, and what a withdrawal takes with it."""
