"""Run benchmarks: `python -m bench` runs all, `python -m bench scoring latency` those named."""

import argparse
import datetime
import importlib
import os
import platform
import sys

from rich.console import Console

BENCHMARKS = {
    "scoring": "end to end through Kafka, beside a bare poll loop and the model alone",
    "latency": "produce to alert at 5,000 events/s",
    "memory": "resident memory from 10^5 to 10^7 events, and with a million keys",
    "keyed": "what keyed context costs a scorer, beside the same without",
    "repartition": "the repartition step: source topic to joined topic, split and one context in one process",
    "training_memory": "peak memory and seconds of training on 10^7 archived rows",
    "real": "kdd99 http and jumpstarter, whole, through Kafka (needs EDDYLINE_DATA)",
    "intake": "decoding and the detectors alone",
    "tables": "detection on 24 public tables, peers on the same splits (needs EDDYLINE_DATA)",
    "streams": "detection on public streams, with and without keyed context, beside peers (needs EDDYLINE_DATA)",
    "speed": "fit and score of each detector at 20 features on one core, beside peers",
    "reasons": "whether reasons name the column at fault, beside PCA residuals and SHAP (needs EDDYLINE_DATA)",
    "budget": "alerts promised and observed on public streams, calibrated among anomalies (needs EDDYLINE_DATA)",
    "auto": "whether the detector chosen by injected anomalies is the one that labels choose (needs EDDYLINE_DATA)",
    "promotion": "how often equal, better and worse challengers are promoted, on simulated streams",
    "taught": "detection with and without learning from injected anomalies (needs EDDYLINE_DATA)",
    "feedback": "detection with verdicts on one row in a hundred, on rows nobody judged (needs EDDYLINE_DATA)",
    "windows": "window detectors on jumpstarter and nab beside peers (needs EDDYLINE_DATA)",
    "preparation": "what generators learn of public tables: relations found, seconds, rows back (needs EDDYLINE_DATA)",
    "synthesis": "generators on public tables beside ceilings and floors (needs EDDYLINE_DATA; most of an hour)",
    "streams_synthesis": "keyed streams made as keyed streams, beside ceilings and floors (needs EDDYLINE_DATA)",
    "takeover": "how long a killed leader of the scheduler is missed, on Postgres",
    "catalogue": "what commands ask of a catalogue with a million alerts, on SQLite and Postgres",
    "quality": "faults planted in public sets, clean windows, and a full run on 1,000,000 × 20 rows",
    "context": "keyed context alone: rows a second, bytes a key, snapshots",
}


def main() -> int:
    """Run what was asked for; exit status 1 where a limit was missed."""
    listing = "\n".join(f"  {name:18} {what}" for name, what in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=f"Benchmarks of Eddyline.\n\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: python -m bench scoring latency",
    )
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which; all by default")
    parser.add_argument("--quick", action="store_true", help="a tenth of the events, to see that it runs")
    options = parser.parse_args()
    console = Console(width=120)
    today = datetime.datetime.now(datetime.UTC).date()
    console.print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {today}")
    missed = False
    for name in options.names or BENCHMARKS:
        missed |= not importlib.import_module(f"bench.{name}").run(console, quick=options.quick)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
