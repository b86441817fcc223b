"""What was aimed at, beside what was measured."""

import collections

Verdict = collections.namedtuple("Verdict", "number what floor ours target met")


def verdicts(bench) -> list:
    """One for each target whose figures are there."""
    told, ours, by_id = [], "unattended", "unattended-by-id"

    def below(number, what, figure, limit, unit, client=ours):
        value = bench.of(client, figure)
        if value is not None:
            floor = bench.of("floor", figure)
            target = f"<= {limit} {unit}".strip()
            told.append(Verdict(number, what, show(floor, unit), show(value, unit), target, value <= limit))

    def ratio(number, what, figure, limit, unit, to=None):
        value, least = bench.of(ours, figure), bench.of(*(to or ("floor", figure)))
        if value is not None and least is not None:
            of = "the floor" if to is None else show(least, unit)
            cell = f"{show(value, unit)}, {value / least:.2f} x"
            floor = show(bench.of("floor", figure), unit)
            told.append(Verdict(number, what, floor, cell, f"<= {limit} x {of}", value <= limit * least))

    below(1, "cached token, 1 tenant, CPU", "cached_ns_1", 50, "ns")
    below(2, "of 10,000 tenants, by handle", "cached_ns_10000", 100, "ns")
    below(2, "of 10,000 tenants, by id", "cached_ns_10000", 150, "ns", by_id)
    below(3, "the same by 64 tasks, wall", "cached_wall_64", 35, "ns")
    ratio(3, "the same, CPU, beside one task", "cached_ns_64", 1.3, "ns", (ours, "cached_ns_10000"))
    ratio(4, "cold token, secret, 1 in flight, CPU", "cold_secret_1", 1.15, "us")
    ratio(4, "64 in flight", "cold_secret_64", 1.3, "us")
    ratio(4, "the same, instructions", "counted_secret", 1.15, "")
    ratio(5, "cold token, certificate, 1 in flight, CPU", "cold_certificate_1", 1.05, "us")
    ratio(5, "64 in flight", "cold_certificate_64", 1.05, "us")
    below(6, "stampede of 1,000: requests", "stampede_requests", 1, "")
    below(6, "connections", "stampede_connections", 1, "")
    below(6, "requests if it is refused", "stampede_refused", 1, "")
    below(6, "until all have it", "stampede_ms", 15, "ms")
    below(7, "calls that wait while the token is renewed", "refresh_waited", 0, "")
    ratio(7, "p99.9 of a call meanwhile", "refresh_p999_ns", 2, "ns", (ours, "refresh_fresh_p999_ns"))
    below(10, "first token of a process, wall", "first_ms", 12, "ms")
    below(10, "CPU", "first_cpu_ms", 12, "ms")
    # Set as 8, 15 and 28 MB.
    below(11, "resident after it", "first_resident_mib", 7.6, "MiB")
    below(11, "the daemon with one job", "daemon_resident_mib", 14.3, "MiB")
    below(12, "resident, 10,000 tenants", "fill_resident_mib", 26.7, "MiB")
    below(12, "of a tenant, beyond its token, by handle", "fill_beyond", 512, "bytes")
    below(12, "of a tenant, beyond its token, by id", "fill_beyond", 512, "bytes", by_id)
    below(13, "growth over 1,000,000 cached calls", "growth_cached", 100, "kB")
    below(13, "growth over 10,000 renewals", "growth_renewals", 100, "kB")
    below(14, "the program on disk", "daemon_size_mb", 10, "MB")
    below(15, "each of 10,000 tenants from cold, CPU", "fill_cpu_us", 140, "us")
    ratio(15, "the same", "fill_cpu_us", 1.3, "us")
    return told


def show(value, unit: str) -> str:
    if value is None:
        return ""
    digits = 0 if unit in ("ns", "us", "bytes", "kB", "") else 1 if unit != "s" else 2
    return f"{value:,.{digits}f} {unit}".strip()
