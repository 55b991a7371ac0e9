"""The demo: a simulated payment stream, an embedded broker, and one command that shows the whole way of the data."""
