//! The registration itself, step by step.

use std::sync::Arc;

use serde_json::{Value, json};
use unattended_core::{ClientId, Clock, SystemClock};
use unattended_webapi::Client;

use crate::change::{Change, ChangeKind, Step};
use crate::credential::{self, RegisteredCredential};
use crate::directory::{Application, Assignment, Directory, ServicePrincipal};
use crate::error::Error;
use crate::permission::{self, Grant, Permission};
use crate::request::RegistrationRequest;

/// Registers applications in one directory, as the application whose tokens the client carries.
#[derive(Debug)]
pub struct Registrar {
    directory: Directory,
}

/// What a registration has come to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Registration {
    /// The application (client) ID.
    pub client_id: ClientId,
    /// The object id of the application, which its own API paths take.
    pub object_id: String,
    /// The object id of its service principal in the tenant.
    pub service_principal_id: String,
    /// The credential, with what has to be saved of it.
    pub credential: RegisteredCredential,
    /// What each step did, in order.
    pub changes: Vec<Change>,
}

impl Registration {
    /// Whether anything in the directory is different now.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.changes.iter().any(|change| change.kind != ChangeKind::Unchanged)
    }
}

/// An object, and whether this run made it: the directory's replicas may not all know it yet.
struct Found<T> {
    object: T,
    is_new: bool,
}

impl Registrar {
    /// A registrar that calls the directory API of `client`, whose base URL ends in the version (`.../v1.0`).
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { directory: Directory { client, clock: Arc::new(SystemClock) } }
    }

    /// Takes the time from `clock` instead of the machine.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.directory.clock = clock;
        self
    }

    /// Looks the permissions of a registration up, and changes nothing: to learn of a mistake in them before a key is
    /// made.
    ///
    /// # Errors
    /// An unknown API or role, and whatever the directory refuses.
    pub async fn check(&self, permissions: &[Permission]) -> Result<(), Error> {
        permission::resolve(&self.directory, permissions).await.map(drop)
    }

    /// Brings the directory to the state that `request` describes. Dropping the future stops between or inside steps;
    /// running it again goes on from there.
    ///
    /// # Errors
    /// An unknown API or role (nothing has been changed then), several applications of that name, an unusable
    /// certificate, and whatever the directory refuses.
    pub async fn register(&self, request: &RegistrationRequest) -> Result<Registration, Error> {
        if request.display_name.trim().is_empty() {
            return Err(Error::new("an application needs a name"));
        }
        let grants = permission::resolve(&self.directory, &request.permissions).await?;
        let mut changes = Vec::new();
        let application = self.application(&request.display_name, &grants, &mut changes).await?;
        changes.push(self.permissions(&application, &grants).await?);
        let principal = self.service_principal(&application, &mut changes).await?;
        let (credential, change) =
            credential::register(&self.directory, request, &application.object, application.is_new).await?;
        changes.push(change);
        if request.grant_admin_consent {
            changes.push(self.consent(&principal, &grants).await?);
        }
        let client_id = ClientId::parse(&application.object.app_id)
            .map_err(|error| Error::new("the directory gave no usable application id").because(error))?;
        Ok(Registration {
            client_id,
            object_id: application.object.id,
            service_principal_id: principal.object.id,
            credential,
            changes,
        })
    }

    async fn application(
        &self,
        name: &str,
        grants: &[Grant],
        changes: &mut Vec<Change>,
    ) -> Result<Found<Application>, Error> {
        if let Some(object) = self.find_application(name).await? {
            let text = format!("application `{name}` exists (client id {})", object.app_id);
            changes.push(Change::new(Step::Application, ChangeKind::Unchanged, text));
            return Ok(Found { object, is_new: false });
        }
        let body = json!({
            "displayName": name,
            "signInAudience": "AzureADMyOrg",
            "requiredResourceAccess": with_grants(&[], grants),
        });
        let object = match self.directory.create_application(&body).await {
            Ok(object) => object,
            // The answer is lost; whether the application exists is for the directory to say.
            Err(error) if error.is_ambiguous() => match self.find_application(name).await? {
                Some(object) => object,
                None => return Err(Error::directory("the application could not be created", error)),
            },
            Err(error) => return Err(Error::directory("the application could not be created", error)),
        };
        let text = format!("application `{name}` created (client id {})", object.app_id);
        changes.push(Change::new(Step::Application, ChangeKind::Created, text));
        Ok(Found { object, is_new: true })
    }

    async fn find_application(&self, name: &str) -> Result<Option<Application>, Error> {
        let mut found = self
            .directory
            .applications_named(name)
            .await
            .map_err(|error| Error::directory("the applications could not be read", error))?;
        if found.len() > 1 {
            let ids: Vec<&str> = found.iter().map(|application| application.app_id.as_str()).collect();
            return Err(Error::new(format!(
                "{} applications are named `{name}`: {}",
                ids.len(),
                ids.join(", ")
            ))
            .mend("choose another name, or rename or delete all but one of them"));
        }
        Ok(found.pop())
    }

    /// Declares the permissions; what is declared already stays.
    async fn permissions(&self, application: &Found<Application>, grants: &[Grant]) -> Result<Change, Error> {
        let listed = list(grants);
        let present = &application.object.required_resource_access;
        let wanted = with_grants(present, grants);
        if grants.is_empty() {
            return Ok(Change::new(Step::Permissions, ChangeKind::Unchanged, "no permissions asked for"));
        }
        if wanted == *present {
            // A new application was created with them.
            let (kind, text) = if application.is_new {
                (ChangeKind::Created, format!("permissions declared: {listed}"))
            } else {
                (ChangeKind::Unchanged, format!("permissions are declared: {listed}"))
            };
            return Ok(Change::new(Step::Permissions, kind, text));
        }
        self.directory
            .update_application(
                &application.object.id,
                &json!({ "requiredResourceAccess": wanted }),
                application.is_new,
            )
            .await
            .map_err(|error| Error::directory("the permissions could not be declared", error))?;
        let text = format!("permissions declared: {listed}");
        Ok(Change::new(Step::Permissions, ChangeKind::Updated, text))
    }

    async fn service_principal(
        &self,
        application: &Found<Application>,
        changes: &mut Vec<Change>,
    ) -> Result<Found<ServicePrincipal>, Error> {
        let app_id = &application.object.app_id;
        let find = async || {
            let found = self.directory.service_principals_of(app_id).await;
            found
                .map(|found| found.into_iter().next())
                .map_err(|error| Error::directory("the service principal could not be read", error))
        };
        if let Some(object) = find().await? {
            let text = format!("service principal exists ({})", object.id);
            changes.push(Change::new(Step::ServicePrincipal, ChangeKind::Unchanged, text));
            return Ok(Found { object, is_new: false });
        }
        let object = match self.directory.create_service_principal(app_id, application.is_new).await {
            Ok(object) => object,
            Err(error) if error.is_ambiguous() || error.is_conflict() => match find().await? {
                Some(object) => object,
                None => return Err(Error::directory("the service principal could not be created", error)),
            },
            Err(error) => return Err(Error::directory("the service principal could not be created", error)),
        };
        let text = format!("service principal created ({})", object.id);
        changes.push(Change::new(Step::ServicePrincipal, ChangeKind::Created, text));
        Ok(Found { object, is_new: true })
    }

    /// Assigns each role that is not assigned yet.
    async fn consent(&self, principal: &Found<ServicePrincipal>, grants: &[Grant]) -> Result<Change, Error> {
        let id = &principal.object.id;
        let present = self
            .directory
            .assignments_of(id, principal.is_new)
            .await
            .map_err(|error| Error::directory("the granted permissions could not be read", error))?;
        let missing: Vec<Grant> =
            grants.iter().filter(|grant| !is_assigned(&present, grant)).cloned().collect();
        for grant in &missing {
            self.assign(principal, grant).await?;
        }
        Ok(match (missing.is_empty(), present.is_empty()) {
            (true, _) if grants.is_empty() => {
                Change::new(Step::Consent, ChangeKind::Unchanged, "no permissions to grant")
            }
            (true, _) => Change::new(
                Step::Consent,
                ChangeKind::Unchanged,
                format!("permissions are granted: {}", list(grants)),
            ),
            (false, none) => {
                let kind = if none { ChangeKind::Created } else { ChangeKind::Updated };
                Change::new(
                    Step::Consent,
                    kind,
                    format!("administrator's consent granted: {}", list(&missing)),
                )
            }
        })
    }

    async fn assign(&self, principal: &Found<ServicePrincipal>, grant: &Grant) -> Result<(), Error> {
        let id = &principal.object.id;
        let Err(error) =
            self.directory.assign(id, &grant.resource_principal_id, &grant.role_id, principal.is_new).await
        else {
            return Ok(());
        };
        // A repeated assignment whose first answer was lost is refused; what counts is that it is there.
        let refused = error.is_conflict() || error.status().is_some_and(|status| status.as_u16() == 400);
        if refused {
            let present = self.directory.assignments_of(id, false).await;
            if present.is_ok_and(|present| is_assigned(&present, grant)) {
                return Ok(());
            }
        }
        Err(Error::directory(format!("{} could not be granted", grant.permission), error))
    }
}

fn is_assigned(present: &[Assignment], grant: &Grant) -> bool {
    present.iter().any(|assignment| {
        assignment.resource_id.eq_ignore_ascii_case(&grant.resource_principal_id)
            && assignment.app_role_id.eq_ignore_ascii_case(&grant.role_id)
    })
}

/// `requiredResourceAccess` with every grant in it; entries that are there stay as they are.
fn with_grants(present: &[Value], grants: &[Grant]) -> Vec<Value> {
    let same = |value: &Value, id: &str| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(id));
    let mut wanted = present.to_vec();
    for grant in grants {
        let index =
            match wanted.iter().position(|entry| same(&entry["resourceAppId"], &grant.resource_app_id)) {
                Some(index) => index,
                None => {
                    wanted.push(json!({ "resourceAppId": grant.resource_app_id, "resourceAccess": [] }));
                    wanted.len() - 1
                }
            };
        let Some(roles) = wanted[index].get_mut("resourceAccess").and_then(Value::as_array_mut) else {
            continue;
        };
        if !roles.iter().any(|role| same(&role["id"], &grant.role_id) && role["type"] == "Role") {
            roles.push(json!({ "id": grant.role_id, "type": "Role" }));
        }
    }
    wanted
}

fn list(grants: &[Grant]) -> String {
    let names: Vec<String> = grants.iter().map(|grant| grant.permission.to_string()).collect();
    names.join(", ")
}
