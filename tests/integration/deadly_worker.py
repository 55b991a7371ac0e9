"""A scoring worker that dies of one event, as of a fault in native code: the process is gone, nothing is caught."""

import multiprocessing
import os
import sys

from pipeline.intake import Intake, Taken
from pipeline.kafka.port import Block
from pipeline.scoring.forked import ForkedWorker
from pipeline.scoring.process import main
from pipeline.scoring.supervisor import Spawn
from tests.integration.service import Service

DEADLY = b"kill-the-process"
_take = Intake.take


def take(self: Intake, block: Block) -> Taken:
    if any(value is not None and DEADLY in value for value in block.values):
        os.abort()
    return _take(self, block)


def run(arguments: list[str]) -> None:
    Intake.take = take  # type: ignore[method-assign]
    sys.exit(main(arguments))


def workers(service: Service) -> Spawn:
    """What a supervisor starts such workers with."""
    context = multiprocessing.get_context("forkserver")

    def spawn(slot: int) -> ForkedWorker:
        process = context.Process(
            target=run, args=([service.stream, "--config", str(service.config), "--slot", str(slot)],)
        )
        process.start()
        worker = ForkedWorker(process)
        service.workers.append(worker)
        return worker

    return spawn
