"""Work on users with msgraph-sdk and azure-identity, unmodified: create, change, read, page through all, a batch with
one request that is refused, a search, a manager, delete; and follow the changes from one delta link to the next.

    python work_with_msgraph.py SETTINGS.json

SETTINGS.json is that of call_with_msal.py with a secret_file, and domain. SSL_CERT_FILE and REQUESTS_CA_BUNDLE name
the CA. Prints one JSON object with what each step found.
"""

import asyncio
import json
import pathlib
import sys
import urllib.parse

from azure.identity import ClientSecretCredential
from kiota_abstractions.api_error import APIError
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.password_profile import PasswordProfile
from msgraph.generated.models.reference_update import ReferenceUpdate
from msgraph.generated.models.user import User
from msgraph.generated.users.item.get_member_groups.get_member_groups_post_request_body import (
    GetMemberGroupsPostRequestBody,
)
from msgraph.generated.users.item.user_item_request_builder import UserItemRequestBuilder
from msgraph.generated.users.users_request_builder import UsersRequestBuilder
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem
from msgraph_core.tasks.page_iterator import PageIterator

NOBODY = "00000000-0000-0000-0000-00000000dead"


async def main(settings: dict) -> None:
    client = connect(settings)
    found = {
        "created": await created_and_changed(client, settings["domain"]),
        "paged": await paged(client),
        "batch": await batch(client),
        "refusal": await refusal(client),
        "searched": await searched_and_expanded(client, settings["domain"]),
        "delta": await delta(client, settings["domain"]),
    }
    print(json.dumps(found))


def connect(settings: dict) -> GraphServiceClient:
    credential = ClientSecretCredential(
        settings["tenant"],
        settings["client_id"],
        pathlib.Path(settings["secret_file"]).read_text().strip(),
        authority=settings["authority"],
        disable_instance_discovery=True,
    )
    # Without the host the client sends its token to Microsoft's hosts only.
    host = urllib.parse.urlparse(settings["graph"]).hostname
    scopes = [f"{settings['graph_resource']}/.default"]
    adapter = GraphRequestAdapter(
        AzureIdentityAuthenticationProvider(credential, scopes=scopes, allowed_hosts=[host])
    )
    adapter.base_url = settings["graph"]
    return GraphServiceClient(request_adapter=adapter)


def query(**parameters) -> RequestConfiguration:
    return RequestConfiguration(
        query_parameters=UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(**parameters)
    )


async def create(client: GraphServiceClient, name: str) -> User:
    return await client.users.post(
        User(
            account_enabled=True,
            display_name="Microsoft Graph SDK",
            mail_nickname="msgraph",
            user_principal_name=name,
            password_profile=PasswordProfile(password="not-Kept-1", force_change_password_next_sign_in=False),
        )
    )


async def created_and_changed(client: GraphServiceClient, domain: str) -> dict:
    name = f"msgraph@{domain}"
    user = await create(client, name)
    await client.users.by_user_id(user.id).patch(User(department="Research"))
    changed = await client.users.get(query(filter=f"userPrincipalName eq '{name}'", select=["id", "department"]))
    await client.users.by_user_id(user.id).delete()
    return {"same": [one.id for one in changed.value] == [user.id], "department": changed.value[0].department}


async def paged(client: GraphServiceClient) -> dict:
    first = await client.users.get(query(select=["id", "userPrincipalName"], top=50))
    names = set()

    def take(user) -> bool:
        names.add(user.user_principal_name)
        return True

    await PageIterator(first, client.request_adapter).iterate(take)
    return {"users": len(names)}


async def batch(client: GraphServiceClient) -> dict:
    page = BatchRequestItem(client.users.to_get_request_information(), "page")
    nobody = BatchRequestItem(client.users.to_get_request_information(), "nobody")
    # The URL of a request in a batch is relative to the version; left alone, the SDK sends the absolute one.
    page.set_url("/users?$top=3")
    nobody.set_url(f"/users/{NOBODY}")
    content = BatchRequestContent()
    for item in (page, nobody):
        content.add_request(item.id, item)
    answers = await client.batch.post(content)
    # The bodies are not asked for: of an answer this version of the SDK keeps those that are base64, not JSON.
    return answers.get_response_status_codes()


async def refusal(client: GraphServiceClient) -> dict:
    try:
        await client.users.by_user_id(NOBODY).get()
    except APIError as error:
        return {"status": error.response_status_code, "code": error.error.code}
    return {}


async def searched_and_expanded(client: GraphServiceClient, domain: str) -> dict:
    report, boss = await create(client, f"report@{domain}"), await create(client, f"boss@{domain}")
    one = client.users.by_user_id(report.id)
    await one.manager.ref.put(ReferenceUpdate(odata_id=f"https://graph.microsoft.com/v1.0/users/{boss.id}"))
    configuration = query(search='"displayName:sdk micro" AND "mailNickname:msg"', count=True)
    configuration.headers.add("ConsistencyLevel", "eventual")
    found = await client.users.get(configuration)
    parameters = UserItemRequestBuilder.UserItemRequestBuilderGetQueryParameters(expand=["manager($select=id)"])
    expanded = await one.get(RequestConfiguration(query_parameters=parameters))
    groups = await one.get_member_groups.post(GetMemberGroupsPostRequestBody(security_enabled_only=False))
    for user in (report, boss):
        await client.users.by_user_id(user.id).delete()
    return {
        "found": {user.id for user in found.value} == {report.id, boss.id},
        "count": found.odata_count,
        "manager": expanded.manager.id == boss.id,
        "groups": groups.value,
    }


async def delta(client: GraphServiceClient, domain: str) -> dict:
    first, link = await changes(client.users.delta)
    user = await create(client, f"delta@{domain}")
    second, link = await changes(client.users.delta.with_url(link))
    await client.users.by_user_id(user.id).delete()
    third, _ = await changes(client.users.delta.with_url(link))
    return {
        "first": len(first),
        "created": [one.id == user.id for one in second],
        "deleted": [one.id == user.id and "@removed" in one.additional_data for one in third],
    }


async def changes(request) -> tuple:
    """What a round of changes held, and its delta link."""
    found = []
    while True:
        page = await request.get()
        found.extend(page.value)
        if page.odata_delta_link:
            return found, page.odata_delta_link
        request = request.with_url(page.odata_next_link)


asyncio.run(main(json.loads(pathlib.Path(sys.argv[1]).read_text())))
