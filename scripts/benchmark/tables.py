"""What was measured, to be read."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

Row = dict[str, Any]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"


def of_size(row: Row, connections: int) -> str:
    parts = [f"## {row['size']:,} leads\n", _against_floor(row["against_floor"], connections)]
    if row["cold"]:
        parts.append("Counts not remembered (one request after a pause, ms):\n")
        parts.append(table(
            ("operation", "median", "worst"),
            [(name, _ms(f["p50"]), _ms(f["worst"])) for name, f in row["cold"].items()],
        ))  # fmt: skip
    parts += _lives(row["lives"], connections)
    memory = row["memory"]
    parts.append(
        f"Memory: web workers {memory['workers']:.0f} MiB together (the largest {memory['worker']:.0f}),"
        f" mongod {memory['mongod']:.0f} MiB.\n"
    )
    return "\n".join(parts)


def _lives(found: Row, connections: int) -> Iterator[str]:
    if bulk := found.get("bulk"):
        yield (
            f"{bulk['leads']:,} leads moved by one request: {bulk['bulk']:,.0f} leads/s, first byte after"
            f" {bulk['first byte']:.0f} ms. One by one with {connections} connections:"
            f" {bulk['many connections']:,.0f}/s (x {bulk['ratio']:.2f}); with one: {bulk['one connection']:,.0f}/s.\n"
        )
    if merge := found.get("merge"):
        yield (
            f"Merging two leads: {merge['merge']:.1f} ms, unmerging: {merge['unmerge']:.1f} ms"
            f" (moving one of them: {merge['transition']:.1f} ms).\n"
        )
    if past := found.get("past"):
        yield (
            f"A lead with a very long life as it was at any moment: {past['as-of']:.1f} ms (worst {past['worst']:.1f}),"
            f" as it is: {past['get']:.1f} ms: x {past['ratio']:.1f}\n"
        )
    if long := found.get("long"):
        yield f"Moving it: {long['long']:.1f} ms, a usual one {long['usual']:.1f} ms: x {long['ratio']:.2f}\n"


def _against_floor(results: Row, connections: int) -> str:
    c = f"{connections} conn."
    head = ("operation", "requests/s", "floor", "share", f"p50, {c}", f"p99, {c}", "p50, 1 conn.", "p99, 1 conn.",
            "floor p50, 1 conn.")  # fmt: skip
    return table(head, [_line(name, row) for name, row in results.items()])


def _line(name: str, row: Row) -> list[str]:
    ours, floor = row["ours"], row["floor"]
    times = [ours["p50"], ours["p99"], ours["p50_one"], ours["p99_one"], floor["p50_one"]]
    return [name, f"{ours['rate']:,.0f}", f"{floor['rate']:,.0f}", f"{row['share']:.2f}", *map(_ms, times)]


def flatness(rows: Sequence[Row]) -> str:
    """p50 on one connection at each size, over that at the smallest size."""
    first = min(rows, key=lambda row: row["size"])
    head = ("operation", "who", f"{first['size']:,} (ms)", *(f"{row['size']:,}" for row in rows if row is not first))
    lines = []
    for actor, figures in first["alone"].items():
        for name, base in figures.items():
            others = [row["alone"][actor][name] for row in rows if row is not first]
            lines.append([name, actor, _ms(base), *(f"{_ms(other)} (x {other / base:.2f})" for other in others)])
    return "## Flatness: p50 on one connection\n\n" + table(head, lines)


def people(row: Row) -> str:
    audit = table(("operation", "with audit/s", "without/s", "share"), [
        [name, f"{found['with']:,.0f}", f"{found['without']:,.0f}", f"{found['share']:.2f}"]
        for name, found in row["audit"].items()
    ])  # fmt: skip
    scope = table(("p50, 1 conn. (ms)", *next(iter(row["scope"].values()))), [
        [name, *(f"{_ms(time)} (x {time / found['super']:.2f})" for time in found.values())]
        for name, found in row["scope"].items()
    ])  # fmt: skip
    memory = row["memory"]
    return "\n".join((
        "## People and the public\n", "What the audit costs:\n", audit, "What seeing only a part costs:\n", scope,
        f"Sign-ins: {row['sign_in']:.0f}/s. {memory['people']} at the same moment: {memory['seconds']:.1f} s,"
        f" web workers {memory['before']:.0f} MiB before, {memory['peak']:.0f} MiB at most.\n",
        f"Captures: {row['capture']:.0f}/s (leads made through the API: {row['create']:.0f}/s).\n",
    ))  # fmt: skip


def rival(results: Row) -> str:
    head = ("operation", "ours/s", "theirs/s", "ratio", "wanted", "p99 ours", "p99 theirs")
    return "## Against the rival\n\n" + table(head, [
        [
            name, f"{row['ours']['rate']:,.0f}", f"{row['theirs']['rate']:,.0f}", f"x {row['ratio']:.2f}",
            f"x {row['wanted']}" if row["wanted"] else "-", _ms(row["ours"]["p99"]), _ms(row["theirs"]["p99"]),
        ]
        for name, row in results.items()
    ])  # fmt: skip


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"
