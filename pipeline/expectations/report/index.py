"""The index: every report there is, newest first, by stream, with the verdicts of each stream as a row of bars."""

from collections import Counter
from collections.abc import Sequence

from pipeline.expectations.report.heads import ReportHead
from pipeline.expectations.report.page import framed
from pipeline.expectations.report.pictures import verdict_bars
from pipeline.expectations.report.words import (
    SUBJECTS,
    VERDICTS,
    machine_time,
    moment_text,
    plural,
    said,
    span_text,
)
from synth.report.parts import NOT_KNOWN, section, table, text

_MOST_BARS = 40
_NEWEST = 20


def index_page(heads: Sequence[ReportHead]) -> str:
    """The page over all reports, which lie below it as `<stream>/<result_id>.html`; newest first."""
    streams = sorted({head.stream for head in heads})
    by_stream = {stream: [head for head in heads if head.stream == stream] for stream in streams}
    parts = [_overview(by_stream), _newest(heads, len(streams))] + [_stream(*item) for item in by_stream.items()]
    main = "".join(parts) if heads else "<p>No reports yet: <code>eddyline quality run STREAM</code> makes one.</p>"
    header = f'<h1>Data quality</h1><p class="quiet">{_counts(heads)}</p>'
    newest = f"the newest of {moment_text(heads[0].created_ms)} UTC" if heads else "none yet"
    return framed("Data quality: all reports", header, main, f'<p class="quiet">Made by Eddyline; {newest}.</p>')


def _counts(heads: Sequence[ReportHead]) -> str:
    found = Counter(head.verdict for head in heads)
    verdicts = ", ".join(f"{found[name]:,} {words}" for name, (words, _) in VERDICTS.items() if found[name])
    return f"{plural(len(heads), 'report')}{': ' if verdicts else ''}{verdicts}"


def _overview(by_stream: dict[str, list[ReportHead]]) -> str:
    """One row a stream; its name leads to its part of the page, which then stands alone."""
    rows = []
    for stream, heads in by_stream.items():
        bad = sum(head.verdict != "passed" for head in heads)
        name = f'<a href="#stream-{text(stream)}">{text(stream)}</a>'
        rows.append((name, _verdict(heads[0]), _moment(heads[0]), _bars(heads), f"{len(heads):,}", f"{bad:,}"))
    headers = ("stream", "newest verdict", "made (UTC)", "verdicts, newest right", "reports", "not passed")
    listed = table("Each stream's newest verdict; a name leads to its reports alone", headers, rows, numbers_from=4)
    return section("streams", "Streams", listed)


def _bars(heads: Sequence[ReportHead]) -> str:
    shown = list(reversed(heads[:_MOST_BARS]))
    bad = sum(head.verdict != "passed" for head in shown)
    words = f"The last {plural(len(shown), 'verdict')}: {len(shown) - bad} passed, {bad} did not"
    return verdict_bars([(head.verdict, head.failed / max(1, head.evaluated)) for head in shown], words)


def _newest(heads: Sequence[ReportHead], streams: int) -> str:
    """Over all streams; nothing where there is only one."""
    if streams < 2:
        return ""
    listed = _listed("Reports of all streams, newest first", heads[:_NEWEST], with_stream=True)
    return section("newest", "Newest reports", listed)


def _stream(stream: str, heads: Sequence[ReportHead]) -> str:
    name = text(stream)
    back = '<p class="quiet"><a href="#main">All streams</a></p>'
    title = f'<h2 id="reports-{name}">{name}</h2><p class="quiet">{_counts(heads)}</p>'
    listed = _listed(f"Reports of {stream}, newest first", heads)
    return (
        f'<section class="stream" id="stream-{name}" aria-labelledby="reports-{name}">{title}{listed}{back}</section>'
    )


def _listed(name: str, heads: Sequence[ReportHead], *, with_stream: bool = False) -> str:
    items = "".join(f"<li>{_item(head, with_stream)}</li>" for head in heads)
    return f'<ol class="reports" aria-label="{text(name)}">{items}</ol>'


def _item(head: ReportHead, with_stream: bool) -> str:
    stream = f"{text(head.stream)}: " if with_stream else ""
    about = said(f"{SUBJECTS[head.subject]} {head.subject_id}".strip())
    window = span_text({"start_ms": head.start_ms, "end_ms": head.end_ms})
    when = "" if window == NOT_KNOWN else f", {text(window)}"
    reason = f'<span class="reason">{said(head.reason)}</span>' if head.reason else ""
    hold = f"{head.evaluated:,} hold" if head.evaluated else ""
    failed = f"{head.failed:,} of {head.evaluated:,} failed" if head.failed else hold
    said_of = f"{stream}{about}{when}, {plural(head.rows, 'row')}"
    words = f'<span class="about">{reason}<span class="quiet">{said_of}</span></span>'
    return f'{_link(head)}<span>{_verdict(head)}</span>{words}<span class="count">{failed}</span>'


def _link(head: ReportHead) -> str:
    return f'<a href="{text(head.stream)}/{text(head.result_id)}.html">{_moment(head)}</a>'


def _moment(head: ReportHead) -> str:
    return f'<time datetime="{machine_time(head.created_ms)}">{moment_text(head.created_ms)}</time>'


def _verdict(head: ReportHead) -> str:
    words, sign = VERDICTS[head.verdict]
    kind = "badge ok" if head.verdict == "passed" else "badge"
    drifted = ' <span class="badge warning">△ drifted</span>' if head.drifted else ""
    return f'<span class="{kind}">{sign} {words}</span>{drifted}'
