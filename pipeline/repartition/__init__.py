"""The repartition step: context of keys that are not the topic's own, derived in Kafka before anyone reads the events.

For each such key the events go to a topic partitioned by it, where its context is derived; then home, into the
partition number that they came from, with the derived columns beside their own. All others read the last topic.
"""
