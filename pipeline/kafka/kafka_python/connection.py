"""Client settings shared by every connection, and the translation of client errors into ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import errors as client_errors

from pipeline.config import KafkaSettings
from pipeline.errors import BrokerUnavailableError, ConfigError, EddylineError, FencedError

Options = dict[str, Any]


def connection_options(settings: KafkaSettings, *, username: str | None, password: str | None) -> Options:
    """What every client of this cluster is made with."""
    options: Options = {
        "bootstrap_servers": list(settings.bootstrap),
        "client_id": "eddyline",
        "security_protocol": settings.security_protocol,
        "bootstrap_timeout_ms": int(settings.connect_timeout_seconds * 1000),
        "reconnect_backoff_ms": 20,
        "reconnect_backoff_max_ms": 1_000,
        "metadata_max_age_ms": 5_000,
    }
    if settings.ca_file is not None:
        options["ssl_cafile"] = settings.ca_file
    if settings.sasl_mechanism is not None:
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": username,
            "sasl_plain_password": password,
        }
    return options


def unreachable(settings: KafkaSettings, cause: object) -> BrokerUnavailableError:
    """The error for a cluster that does not answer, with what to do next."""
    where = ", ".join(settings.bootstrap)
    return BrokerUnavailableError(
        f"no Kafka broker answers at {where} ({type(cause).__name__}): start it, or set kafka.bootstrap in "
        "eddyline.yaml or EDDYLINE_KAFKA_BOOTSTRAP to its address"
    )


@contextmanager
def translated(settings: KafkaSettings) -> Iterator[None]:
    """Client errors raised inside become errors of our tree, split by what the caller does next."""
    try:
        yield
    except (client_errors.FencedInstanceIdError, client_errors.UnreleasedInstanceIdError) as error:
        raise FencedError(
            "another worker uses this slot's name: give each host its own `instance` in eddyline.yaml"
        ) from error
    except (client_errors.AuthorizationError, client_errors.SaslAuthenticationFailedError) as error:
        raise ConfigError(f"the cluster refuses these credentials: {error}: check kafka.* and the ACLs") from error
    except client_errors.KafkaConfigurationError as error:
        raise ConfigError(f"the Kafka settings do not fit: {error}") from error
    except (
        client_errors.KafkaTimeoutError,
        client_errors.KafkaConnectionError,
        client_errors.NodeNotReadyError,
        client_errors.MetadataEmptyBrokerList,
        client_errors.RequestTimedOutError,
        client_errors.BrokerNotAvailableError,
        client_errors.CoordinatorNotAvailableError,
        client_errors.CoordinatorLoadInProgressError,
        client_errors.NotCoordinatorError,
        ConnectionError,
    ) as error:
        raise unreachable(settings, error) from error
    except client_errors.KafkaError as error:
        raise EddylineError(f"Kafka refused the request: {error}") from error
