"""A broker in memory behind `pipeline.kafka.port`: topics, groups, fenced commits, transactions visible at commit.

Eager where Kafka is eager in what a user can see: a member that was replaced or expired is fenced, a topic made anew
has another id and starts at 0, deleted offsets are gaps. Rebalances happen in `poll`, one partition at a time, as
with the cooperative protocol. Listeners must not call the source from `on_revoked`; doing so fails the test.
"""

from tests.fakes.broker import MemoryBroker
from tests.fakes.log import block_of

__all__ = ["MemoryBroker", "block_of"]
