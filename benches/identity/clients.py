"""MSAL for Python and azure-identity: python clients.py CLIENT WORKLOAD SETTINGS.json, as the programs in Rust."""

import json
import pathlib
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

CALLS = 10_000


def msal(settings: dict):
    import msal as library

    credential = settings["secret"]
    if settings["certificate"]:
        credential = {
            "private_key": pathlib.Path(settings["key"]).read_text(),
            "thumbprint": settings["sha1"],
        }
    applications = {}

    def token(tenant: str) -> None:
        if tenant not in applications:
            applications[tenant] = library.ConfidentialClientApplication(
                settings["client_id"],
                authority=f"{settings['authority']}/{tenant}",
                client_credential=credential,
                instance_discovery=False,
            )
        answer = applications[tenant].acquire_token_for_client([settings["scope"]])
        if "access_token" not in answer:
            raise RuntimeError(answer.get("error"))

    return token


def azure_identity(settings: dict):
    from azure.identity import CertificateCredential, ClientSecretCredential

    local = {"authority": settings["authority"], "disable_instance_discovery": True}
    credentials = {}

    def token(tenant: str) -> None:
        if tenant not in credentials:
            if settings["certificate"]:
                made = CertificateCredential(tenant, settings["client_id"], settings["pem"], **local)
            else:
                made = ClientSecretCredential(tenant, settings["client_id"], settings["secret"], **local)
            credentials[tenant] = made
        credentials[tenant].get_token(settings["scope"])

    return token


def first(token, tenants: list, in_flight: int) -> dict:
    token(tenants[0])
    return {"resident_kb": resident()}


def fill(token, tenants: list, in_flight: int) -> dict:
    token(tenants[0])
    wall, cpu, before = time.perf_counter(), time.process_time(), resident()
    with ThreadPoolExecutor(in_flight) as pool:
        list(pool.map(token, tenants[1:]))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    count = len(tenants) - 1
    grown = resident() - before
    return {"cpu_us": cpu / count * 1e6, "wall_us": wall / count * 1e6, "cpu_s": cpu, "resident_kb": resident(), "grown_kb": grown}


def cached(token, tenants: list, in_flight: int) -> dict:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(token, tenants))
    best = None
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        for n in range(CALLS):
            token(tenants[n % len(tenants)])
        now = {
            "wall_ns": (time.perf_counter() - wall) / CALLS * 1e9,
            "cpu_ns": (time.process_time() - cpu) / CALLS * 1e9,
        }
        best = min(best or now, now, key=lambda each: each["cpu_ns"])
    return best


def stampede(token, tenants: list, in_flight: int) -> dict:
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
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def main() -> None:
    client, workload, path = sys.argv[1:]
    settings = json.loads(pathlib.Path(path).read_text())
    make = {"msal": msal, "azure_identity": azure_identity}[client]
    work = {"first": first, "fill": fill, "cached": cached, "stampede": stampede}[workload]
    print(json.dumps(work(make(settings), settings["tenants"], settings["in_flight"])))


main()
