"""Every kind of job there is has a function that takes what its arguments say."""

import inspect

import pytest

from pipeline.config import JobKind
from pipeline.scheduling.arguments import arguments_of
from pipeline.scheduling.registry import JOBS, job_function


@pytest.mark.parametrize("kind", JobKind)
def test_every_kind_names_a_function_of_a_job_and_its_arguments(kind: JobKind) -> None:
    assert len(inspect.signature(job_function(kind)).parameters) == 2
    assert arguments_of(kind).__doc__


def test_jobs_are_names_not_objects() -> None:
    assert set(JOBS) == set(JobKind)
    assert all(name.count(":") == 1 for name in JOBS.values())
