"""From flagged rows to alerts: identity, episodes, rules, storms; and from the alerts topic to people (`notify`)."""
