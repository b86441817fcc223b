"""Get a token with MSAL for Python, unmodified, and read one page of users with it.

    python call_with_msal.py SETTINGS.json

SETTINGS.json: authority, tenant, client_id, graph, graph_resource, and secret_file, or assertion_file (a token of another
issuer), or certificate_file (one PEM with the private key and the certificate); with by_subject_name the certificate is
not registered and has to be sent along. REQUESTS_CA_BUNDLE names the authority's CA.
Prints one JSON object for each form of the credential: how the second acquisition was served, and the users of the
page.
"""

import json
import pathlib
import sys

import msal
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes


def main(settings: dict) -> None:
    for form, credential in credentials(settings):
        application = msal.ConfidentialClientApplication(
            settings["client_id"],
            authority=f"{settings['authority']}/{settings['tenant']}",
            client_credential=credential,
            # The name of a local authority is not one of the public cloud's.
            instance_discovery=False,
        )
        scopes = [f"{settings['graph_resource']}/.default"]
        first = application.acquire_token_for_client(scopes)
        if "access_token" not in first:
            sys.exit(f"{first.get('error')}: {first.get('error_description')}")
        second = application.acquire_token_for_client(scopes)

        answer = requests.get(
            f"{settings['graph']}/users?$top=5",
            headers={"Authorization": f"Bearer {second['access_token']}"},
            timeout=30,
        )
        answer.raise_for_status()
        users = names(answer.json())
        print(json.dumps({"form": form, "second": second["token_source"], "users": users}))


def credentials(settings: dict):
    """Each form in which MSAL takes the credential, since each signs a different assertion."""
    if "secret_file" in settings:
        yield "secret", pathlib.Path(settings["secret_file"]).read_text().strip()
        return
    if "assertion_file" in settings:
        yield "client_assertion", {"client_assertion": pathlib.Path(settings["assertion_file"]).read_text}
        return
    pem = pathlib.Path(settings["certificate_file"]).read_text()
    thumbprint = x509.load_pem_x509_certificate(certificate(pem).encode()).fingerprint(hashes.SHA1()).hex()
    key = private_key(pem)
    yield "PS256, x5t#S256, x5c", {"private_key": key, "public_certificate": certificate(pem)}
    if settings.get("by_subject_name"):
        return
    yield "RS256, x5t", {"private_key": key, "thumbprint": thumbprint}


def private_key(pem: str) -> str:
    return section(pem, "PRIVATE KEY")


def certificate(pem: str) -> str:
    return section(pem, "CERTIFICATE")


def section(pem: str, label: str) -> str:
    begin, end = f"-----BEGIN {label}-----", f"-----END {label}-----"
    return pem[pem.index(begin) : pem.index(end) + len(end)] + "\n"


def names(page: dict) -> list:
    return [user["userPrincipalName"] for user in page["value"]]


main(json.loads(pathlib.Path(sys.argv[1]).read_text()))
