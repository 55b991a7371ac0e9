"""What people say of alerts, and what follows from it."""
