"""Work on users with msgraph-sdk and azure-identity, unmodified: create, change, read, page through all, a batch with
one request that is refused, a search, a manager, delete; follow the changes from one delta link to the next; give a
user and a group an app role; add a property to users and find one by it; upload a file in slices, and cancel another.

    python work_with_msgraph.py SETTINGS.json

SETTINGS.json is that of call_with_msal.py with a secret_file, domain and a user. SSL_CERT_FILE and REQUESTS_CA_BUNDLE name
the CA. Prints one JSON object with what each step found.
"""

import asyncio
import hashlib
import io
import json
import os
import pathlib
import sys
import urllib.parse
import uuid

from azure.identity import ClientSecretCredential
from kiota_abstractions.api_error import APIError
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.method import Method
from kiota_abstractions.request_information import RequestInformation
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.directory_objects.get_available_extension_properties.get_available_extension_properties_post_request_body import (
    GetAvailableExtensionPropertiesPostRequestBody,
)
from msgraph.generated.drives.item.items.item.create_upload_session.create_upload_session_post_request_body import (
    CreateUploadSessionPostRequestBody,
)
from msgraph.generated.models.app_role import AppRole
from msgraph.generated.models.app_role_assignment import AppRoleAssignment
from msgraph.generated.models.application import Application
from msgraph.generated.models.drive_item import DriveItem
from msgraph.generated.models.drive_item_uploadable_properties import DriveItemUploadableProperties
from msgraph.generated.models.extension_property import ExtensionProperty
from msgraph.generated.models.group import Group
from msgraph.generated.models.password_profile import PasswordProfile
from msgraph.generated.models.reference_update import ReferenceUpdate
from msgraph.generated.models.service_principal import ServicePrincipal
from msgraph.generated.models.user import User
from msgraph.generated.users.item.get_member_groups.get_member_groups_post_request_body import (
    GetMemberGroupsPostRequestBody,
)
from msgraph.generated.users.item.user_item_request_builder import UserItemRequestBuilder
from msgraph.generated.users.users_request_builder import UsersRequestBuilder
from msgraph_core.models import LargeFileUploadSession, UploadResult
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem
from msgraph_core.tasks.large_file_upload import LargeFileUploadTask
from msgraph_core.tasks.page_iterator import PageIterator

UNIT = 320 * 1024
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
        "assigned": await assigned(client, settings["domain"]),
        "extended": await extended(client, settings["domain"]),
        "uploaded": await uploaded(client, settings["user"]),
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


async def assigned(client: GraphServiceClient, domain: str) -> dict:
    """Roles of an application that users and groups may have."""
    role = AppRole(
        id=uuid.uuid4(),
        allowed_member_types=["User"],
        display_name="Reader",
        description="Reads",
        value="Reader",
        is_enabled=True,
    )
    application = await client.applications.post(Application(display_name="Roles", app_roles=[role]))
    resource = await client.service_principals.post(ServicePrincipal(app_id=application.app_id))
    user = await create(client, f"roles@{domain}")
    group = await client.groups.post(
        Group(display_name="Roles", mail_nickname="roles", mail_enabled=False, security_enabled=True)
    )
    assignments = {
        "user": client.users.by_user_id(user.id).app_role_assignments,
        "group": client.groups.by_group_id(group.id).app_role_assignments,
    }
    of_resource = client.service_principals.by_service_principal_id(resource.id).app_role_assigned_to
    found, made = {}, {}
    for kind, principal in (("user", user), ("group", group)):
        made[kind] = await assignments[kind].post(
            AppRoleAssignment(
                principal_id=uuid.UUID(principal.id), resource_id=uuid.UUID(resource.id), app_role_id=role.id
            )
        )
        held = await assignments[kind].get()
        found[kind] = [(one.principal_type, one.id == made[kind].id, one.app_role_id == role.id) for one in held.value]
    found["of_resource"] = sorted(one.principal_type for one in (await of_resource.get()).value)
    await assignments["user"].by_app_role_assignment_id(made["user"].id).delete()
    await of_resource.by_app_role_assignment_id(made["group"].id).delete()
    found["left"] = len((await of_resource.get()).value)
    await client.users.by_user_id(user.id).delete()
    await client.groups.by_group_id(group.id).delete()
    await client.applications.by_application_id(application.id).delete()
    return found


async def extended(client: GraphServiceClient, domain: str) -> dict:
    """A property that an application adds to users."""
    application = await client.applications.post(Application(display_name="Extends"))
    properties = client.applications.by_application_id(application.id).extension_properties
    added = await properties.post(
        ExtensionProperty(name="level", data_type="Integer", target_objects=["User"])
    )
    user = await create(client, f"extended@{domain}")
    await client.users.by_user_id(user.id).patch(User(additional_data={added.name: 7}))
    filtered = await client.users.get(query(filter=f"{added.name} eq 7", select=["id", added.name]))
    listed = await properties.get()
    available = await client.directory_objects.get_available_extension_properties.post(
        GetAvailableExtensionPropertiesPostRequestBody(is_synced_from_on_premises=False)
    )
    await properties.by_extension_property_id(added.id).delete()
    try:
        await client.users.get(query(filter=f"{added.name} eq 7"))
        unknown = None
    except APIError as error:
        unknown = error.response_status_code
    await client.users.by_user_id(user.id).delete()
    await client.applications.by_application_id(application.id).delete()
    return {
        "name": added.name == f"extension_{application.app_id.replace('-', '')}_level",
        "listed": [one.data_type for one in listed.value if [one.id] == [it.id for it in available.value]],
        "found": [(one.id == user.id, one.additional_data[added.name]) for one in filtered.value],
        "unknown": unknown,
    }


async def uploaded(client: GraphServiceClient, user: str) -> dict:
    """A file in slices: all at once, again after a slice that was refused, and given up."""
    drive = await client.users.by_user_id(user).drive.get()
    items = client.drives.by_drive_id(drive.id).items
    content = os.urandom(3 * UNIT + 17)

    async def begun(name: str) -> LargeFileUploadTask:
        replace = DriveItemUploadableProperties(additional_data={"@microsoft.graph.conflictBehavior": "replace"})
        session = await items.by_drive_item_id(f"root:/{name}:").create_upload_session.post(
            CreateUploadSessionPostRequestBody(item=replace)
        )
        return LargeFileUploadTask(session, client.request_adapter, io.BytesIO(content), DriveItem, UNIT)

    async def is_whole(result: UploadResult) -> bool:
        found = await items.by_drive_item_id(result.item_response.id).get()
        return found.size == len(content) and found.file.hashes.sha256_hash == hashlib.sha256(content).hexdigest().upper()

    def to_session(method: Method, task: LargeFileUploadTask) -> RequestInformation:
        request = RequestInformation(method)
        request.url = task.upload_session.upload_url
        return request

    async def state(task: LargeFileUploadTask) -> LargeFileUploadSession:
        return await client.request_adapter.send_async(to_session(Method.GET, task), LargeFileUploadSession, {})

    async def refusal(request) -> int | None:
        try:
            await request
        except APIError as error:
            return error.response_status_code

    task = await begun("whole.bin")
    whole = await is_whole(await task.upload())

    task = await begun("resumed.bin")
    await task.next_chunk(task.stream, 0, UNIT - 1)
    task.next_range = f"{2 * UNIT}-{3 * UNIT - 1}"
    refused = await refusal(task.next_chunk(task.stream))
    task.upload_session.next_expected_ranges = (await state(task)).next_expected_ranges
    resumed = await is_whole(await task.resume())

    task = await begun("cancelled.bin")
    await task.next_chunk(task.stream, 0, UNIT - 1)
    # This version's cancel() calls the adapter without an argument that it requires.
    await client.request_adapter.send_no_response_content_async(to_session(Method.DELETE, task), {})
    return {"whole": whole, "refused": refused, "resumed": resumed, "ended": await refusal(state(task))}


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
