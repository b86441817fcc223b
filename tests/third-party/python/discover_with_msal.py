"""Get a token with MSAL for Python, unmodified, with instance discovery on.

    discover_with_msal.py UNATTENDED   (the program; in an empty folder, where port 443 is free)

MSAL drops the port when it asks whether it knows an authority, so that a local one has to be on port 443. It asks
login.microsoftonline.com, unless it is told where else; here it asks the sandbox itself, and believes the answer.
Starts the sandbox, registers a daemon, and prints one JSON object: the authority that MSAL then works with, and
what it asked for.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import msal


def main(unattended: str) -> None:
    ready_file = pathlib.Path("sandbox.json")
    start = [unattended, "sandbox", "start", "--in-memory", "--listen", "127.0.0.1:443", "--ready-file", ready_file]
    sandbox = subprocess.Popen(start, stdout=subprocess.DEVNULL)
    try:
        while not ready_file.exists():
            if sandbox.poll() is not None:
                sys.exit("the sandbox did not start")
            time.sleep(0.05)
        print(json.dumps(work(unattended, json.loads(ready_file.read_text()))))
    finally:
        sandbox.terminate()
        sandbox.wait()


def work(unattended: str, ready: dict) -> dict:
    options = ["--role", "graph:User.Read.All", "--secret", "new", "--grant-admin-consent", "--sandbox", "sandbox.json"]
    registered = subprocess.run([unattended, "register", "daemon", *options], capture_output=True, text=True)
    if registered.returncode:
        sys.exit(registered.stderr)
    client_id = next(
        line.split('"')[1] for line in open("unattended.toml") if line.startswith("client-id")
    )
    of_sandbox = ["--sandbox", "sandbox.json"]
    subprocess.run([unattended, "sandbox", "journal", "--clear", *of_sandbox], capture_output=True, check=True)
    os.environ["REQUESTS_CA_BUNDLE"] = ready["ca_file"]
    application = msal.ConfidentialClientApplication(
        client_id,
        authority=f"{ready['authority']}/{ready['tenant_domain']}",
        client_credential=pathlib.Path("daemon.secret").read_text().strip(),
        instance_discovery=f"{ready['authority']}/common/discovery/instance",
    )
    answer = application.acquire_token_for_client([f"{ready['graph_resource']}/.default"])
    if "access_token" not in answer:
        sys.exit(f"{answer.get('error')}: {answer.get('error_description')}")
    journal = [unattended, "--json", "sandbox", "journal", *of_sandbox]
    entries = subprocess.run(journal, capture_output=True, text=True, check=True).stdout.splitlines()
    paths = [json.loads(entry)["path"] for entry in entries]
    return {"token_endpoint": application.authority.token_endpoint, "asked": paths}


main(sys.argv[1])
