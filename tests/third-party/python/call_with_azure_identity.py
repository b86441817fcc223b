"""Get a token with azure-identity, unmodified, and read one page of users with it.

    python call_with_azure_identity.py SETTINGS.json

SETTINGS.json and the output are those of call_with_msal.py.
"""

import json
import pathlib
import sys

import requests
from azure.identity import (
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    WorkloadIdentityCredential,
)


def main(settings: dict) -> None:
    for form, credential in credentials(settings):
        scope = f"{settings['graph_resource']}/.default"
        first = credential.get_token(scope).token
        second = credential.get_token(scope).token

        answer = requests.get(
            f"{settings['graph']}/users?$top=5",
            headers={"Authorization": f"Bearer {second}"},
            timeout=30,
        )
        answer.raise_for_status()
        users = [user["userPrincipalName"] for user in answer.json()["value"]]
        source = "cache" if first == second else "identity_provider"
        print(json.dumps({"form": form, "second": source, "users": users}))


def credentials(settings: dict):
    """Each form in which azure-identity presents the credential."""
    # The name of a local authority is not one of the public cloud's.
    local = {"authority": settings["authority"], "disable_instance_discovery": True}
    tenant, client = settings["tenant"], settings["client_id"]
    if "secret_file" in settings:
        secret = pathlib.Path(settings["secret_file"]).read_text().strip()
        yield "secret", ClientSecretCredential(tenant, client, secret, **local)
        return
    if "assertion_file" in settings:
        path = settings["assertion_file"]
        read = pathlib.Path(path).read_text
        yield "ClientAssertionCredential", ClientAssertionCredential(tenant, client, read, **local)
        yield "WorkloadIdentityCredential", WorkloadIdentityCredential(
            tenant_id=tenant, client_id=client, token_file_path=path, **local
        )
        return
    path = settings["certificate_file"]
    if not settings.get("by_subject_name"):
        yield "RS256, x5t", CertificateCredential(tenant, client, path, **local)
    chain = {"send_certificate_chain": True}
    yield "RS256, x5t, x5c", CertificateCredential(tenant, client, path, **chain, **local)


main(json.loads(pathlib.Path(sys.argv[1]).read_text()))
