"""Get a token of a managed identity with azure-identity, unmodified, and read one page of users with it.

    python call_with_managed_identity.py SETTINGS.json

Where the host hands out tokens is in the environment, as on the host itself. SETTINGS.json and the output are those of
call_with_msal.py; "client_id" names an identity that was assigned to the machine, and is null for its own.
"""

import json
import pathlib
import sys

import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ManagedIdentityCredential

NOBODY = "00000000-0000-4000-8000-000000000000"


def main(settings: dict) -> None:
    scope = f"{settings['graph_resource']}/.default"
    credential = ManagedIdentityCredential(client_id=settings["client_id"])
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

    try:
        ManagedIdentityCredential(client_id=NOBODY).get_token(scope)
        refused = False
    except ClientAuthenticationError:
        refused = True
    form = "assigned" if settings["client_id"] else "system"
    print(json.dumps({"form": form, "second": source, "users": users, "refused": refused}))


main(json.loads(pathlib.Path(sys.argv[1]).read_text()))
