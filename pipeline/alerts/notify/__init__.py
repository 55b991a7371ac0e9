"""From the alerts topic to people: one consumer group per destination, so that one outage stalls only itself."""
