"""Where the client (kafka-python 3.0) leaves a member of a group stuck, mended from outside, each with its test."""

import threading
from typing import Any

from kafka import KafkaConsumer
from kafka import errors as client_errors


def watch_heartbeats(client: KafkaConsumer, fenced: threading.Event) -> None:
    """Note when a heartbeat is answered with fencing: the client only logs it, stops its heartbeat, and would poll on
    for ever without partitions."""
    coordinator = client._coordinator
    send = coordinator._send_heartbeat_request

    async def watched() -> Any:
        try:
            return await send()
        except client_errors.FencedInstanceIdError:
            fenced.set()
            raise

    coordinator._send_heartbeat_request = watched


def see_joins_through(client: KafkaConsumer) -> None:
    """Have a join that is under way stay wanted until it is done.

    A join that new metadata asked for (the topic was made a moment ago, or grew) is wanted only until the leader has
    assigned the partitions. A poll that times out between that and the group's answer then finds nothing to do: the
    answer is never taken, and the member polls on for ever without partitions. The Java client notes the wish first.
    """
    coordinator = client._coordinator
    prepare = coordinator._on_join_prepare_async

    async def prepared(*arguments: Any, **named: Any) -> Any:
        result = await prepare(*arguments, **named)
        coordinator.request_rejoin()  # taken back by the client once the join is complete
        return result

    coordinator._on_join_prepare_async = prepared
