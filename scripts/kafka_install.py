"""What a broker needs before it can start: a Java runtime, and Kafka's jars from Maven Central, fetched once.

The jars lie in `$EDDYLINE_KAFKA_HOME`, else in `.kafka/` of the checkout where that exists, else in
`~/.cache/eddyline/kafka/`, in a folder named by the hash of `kafka.pom.xml`, so that a changed pom is a new fetch.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

POM = Path(__file__).with_name("kafka.pom.xml")
OLDEST_JAVA = 17
FETCH_SECONDS = 600


class KafkaScriptError(Exception):
    """A broker cannot be had; the message says why and what to do next."""


def java_program() -> str:
    """The `java` to run, from `$JAVA_HOME` or the path; refuses one older than Kafka 4 needs."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(str(Path(home) / "bin" / "java")) if home else shutil.which("java")
    if java is None:
        where = f"in JAVA_HOME={home}" if home else "on this machine"
        raise KafkaScriptError(
            f"no java {where}: install Java {OLDEST_JAVA} or newer (apt-get install openjdk-17-jre-headless)"
        )
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(?:1\.)?(\d+)', said.stderr + said.stdout)
    if version is None or int(version.group(1)) < OLDEST_JAVA:
        found = version.group(1) if version else "unknown"
        raise KafkaScriptError(
            f"{java} is Java {found}, Kafka 4 needs {OLDEST_JAVA}: install it or set JAVA_HOME to it"
        )
    return java


def kafka_home() -> Path:
    """The folder under which jars are kept between runs and, outside the checkout, between clones."""
    if named := os.environ.get("EDDYLINE_KAFKA_HOME"):
        return Path(named).expanduser()
    in_checkout = POM.parent.parent / ".kafka"
    if in_checkout.is_dir():
        return in_checkout
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "eddyline" / "kafka"


def kafka_jars() -> Path:
    """The folder of Kafka's jars, fetched with Maven if it is not there yet."""
    lib = kafka_home() / f"lib-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if not lib.is_dir():
        _fetch(lib)
    return lib


def _fetch(lib: Path) -> None:
    """Fetch beside the goal and rename, so that a broken or a concurrent fetch never leaves half a folder in use."""
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaScriptError(
            "no mvn on this machine, and Kafka's jars are not cached yet: install Maven (apt-get install maven), "
            "or set EDDYLINE_KAFKA_BOOTSTRAP to a broker that runs"
        )
    sys.stderr.write(f"Fetching Apache Kafka (about 54 MB, once) to {lib} …\n")
    lib.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=lib.parent, prefix=".fetch-") as fresh:
        jars = Path(fresh) / "lib"
        command = [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
        command += [f"-DoutputDirectory={jars}", "-DincludeScope=runtime"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=FETCH_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise KafkaScriptError(
                f"Maven brought nothing within {FETCH_SECONDS} s: is the network reachable from here?"
            ) from error
        if done.returncode != 0 or not any(jars.glob("kafka_*.jar")):
            last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
            raise KafkaScriptError(
                f"Maven could not fetch Kafka's jars (is Maven Central reachable from here?). It said:\n{last}"
            )
        try:
            jars.rename(lib)
        except OSError:
            if not lib.is_dir():  # else another process was faster, and its folder holds the same
                raise
