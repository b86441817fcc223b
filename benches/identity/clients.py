"""MSAL for Python and azure-identity: python clients.py CLIENT WORKLOAD SETTINGS.json, as the programs in Rust.

All applications share one session, which by default each would have for itself.
"""

import json
import pathlib
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import requests

# To warm up with, and as many to measure.
CALLS = 5_000


def msal(settings: dict):
    import msal as library

    credential = settings["secret"]
    if settings["certificate"]:
        credential = {"private_key": pathlib.Path(settings["key"]).read_text(), "thumbprint": settings["sha1"]}
    session = shared_session()
    applications = {
        tenant: library.ConfidentialClientApplication(
            settings["client_id"],
            authority=f"{settings['authority']}/{tenant}",
            client_credential=credential,
            instance_discovery=False,
            http_client=session,
        )
        for tenant in settings["tenants"]
    }

    def token(tenant: str) -> None:
        answer = applications[tenant].acquire_token_for_client([settings["scope"]])
        if "access_token" not in answer:
            raise RuntimeError(answer.get("error"))

    return token


def azure_identity(settings: dict):
    from azure.core.pipeline.transport import RequestsTransport
    from azure.identity import CertificateCredential, ClientSecretCredential

    transport = RequestsTransport(session=shared_session(), session_owner=False)
    local = {"authority": settings["authority"], "disable_instance_discovery": True, "transport": transport}

    def credential(tenant: str):
        if settings["certificate"]:
            return CertificateCredential(tenant, settings["client_id"], settings["pem"], **local)
        return ClientSecretCredential(tenant, settings["client_id"], settings["secret"], **local)

    credentials = {tenant: credential(tenant) for tenant in settings["tenants"]}
    return lambda tenant: credentials[tenant].get_token(settings["scope"])


def shared_session() -> requests.Session:
    session = requests.Session()
    session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=64))
    return session


def first(token, settings: dict, before: int) -> dict:
    token(settings["tenants"][0])
    return {"resident_kb": resident()}


def fill(token, settings: dict, before: int) -> dict:
    first, *others = settings["tenants"]
    token(first)
    wall, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(settings["in_flight"]) as pool:
        list(pool.map(token, others))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    each = {"cpu_us": cpu / len(others) * 1e6, "wall_us": wall / len(others) * 1e6}
    return each | {"resident_kb": resident(), "grown_kb": memory("RssAnon:") - before}


def cached(token, settings: dict, before: int) -> dict:
    tenants = settings["tenants"]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(token, tenants))
    for call in range(2 * CALLS):
        if call == CALLS:
            wall, cpu = time.perf_counter(), time.process_time()
        token(tenants[call % len(tenants)])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall_ns": wall / CALLS * 1e9, "cpu_ns": cpu / CALLS * 1e9}


def latency(token, settings: dict, before: int) -> dict:
    result = {}
    for name, tenant in zip(("due", "fresh"), settings["tenants"]):
        token(tenant)
        calls, until = [], time.perf_counter() + 6
        while (began := time.perf_counter()) < until:
            token(tenant)
            calls.append(time.perf_counter() - began)
        calls.sort()
        result[name] = {
            "p50_ns": calls[len(calls) // 2] * 1e9,
            "p999_ns": calls[len(calls) * 999 // 1000] * 1e9,
            "longest_ms": calls[-1] * 1e3,
            "waited": sum(took > 0.2 for took in calls),
        }
    return result


def growth(token, settings: dict, before: int) -> dict:
    tenant = settings["tenants"][0]
    for call in range(4 * CALLS):
        if call == 2 * CALLS:
            before = resident()
        token(tenant)
    return {"grown_kb": resident() - before}


def stampede(token, settings: dict, before: int) -> dict:
    tenants = settings["tenants"]
    token(tenants[1])
    served, barrier = [], threading.Barrier(201)

    def caller() -> None:
        barrier.wait()
        try:
            token(tenants[0])
            served.append(1)
        except Exception:
            pass

    # As many threads as such a program has at most.
    callers = [threading.Thread(target=caller) for _ in range(200)]
    for each in callers:
        each.start()
    barrier.wait()
    began = time.perf_counter()
    for each in callers:
        each.join()
    return {"ms": (time.perf_counter() - began) * 1e3, "served": len(served), "callers": 200}


def resident() -> int:
    return memory("VmRSS:")


def memory(kind: str) -> int:
    """In kB: VmRSS is all that is present, RssAnon what of it is in no file."""
    return int(pathlib.Path("/proc/self/status").read_text().split(kind)[1].split()[0])


def main() -> None:
    client, workload, path = sys.argv[1:]
    settings = json.loads(pathlib.Path(path).read_text())
    settings["tenants"] = [f"00000000-0000-4000-8000-{number:012x}" for number in range(1, settings["tenants"] + 1)]
    settings["tenants"][0] = settings["first"] or settings["tenants"][0]
    make = {"msal": msal, "azure_identity": azure_identity}[client]
    work = {each.__name__: each for each in (first, fill, cached, stampede, latency, growth)}[workload]
    before = memory("RssAnon:")
    print(json.dumps(work(make(settings), settings, before)))


main()
