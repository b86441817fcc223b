//! The tenants of a sandbox: the one that it began with, and those that were added.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use serde::Serialize;
use unattended_core::{Clock, Entropy, Secret};

use crate::SandboxError;
use crate::authority::unix_seconds;
use crate::data_directory::DataDirectory;
use crate::ready::Administrator;
use crate::store::{Application, Holder, Seed, Store, StoreError, Tenant};

/// What every initial domain ends with.
pub(crate) const DOMAIN_SUFFIX: &str = ".onmicrosoft.com";

/// The longest name of a tenant, in characters.
const MAX_NAME_CHARS: usize = 27;

/// The name of the tenant that a sandbox begins with.
const FIRST: &str = "contoso";

/// A tenant, and who administers it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TenantAccess {
    /// GUID.
    pub tenant_id: String,
    /// The tenant's first domain.
    pub tenant_domain: String,
    /// The application of this tenant that registers others and grants them permissions.
    pub administrator: Administrator,
}

/// Makes tenants and knows where the secrets of their administrators are. Holds no directory: a sandbox that has ended
/// adds no tenant.
#[derive(Clone, Debug)]
pub(crate) struct Tenants {
    store: Arc<Store>,
    directory: Weak<DataDirectory>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Tenants {
    pub(crate) fn new(
        store: &Arc<Store>,
        directory: &Arc<DataDirectory>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { store: Arc::clone(store), directory: Arc::downgrade(directory), clock, entropy }
    }

    /// The tenant that the sandbox begins with, which is made with its people if it is not there, and a secret for every
    /// administrator whose file is lost. Blocks.
    pub(crate) fn prepare(&self, users: u32, people_seed: u64) -> Result<Tenant, SandboxError> {
        let tenants = self.store.tenants()?;
        if tenants.is_empty() {
            return self.make(FIRST, users, people_seed);
        }
        for tenant in tenants {
            self.store.ensure_key_vault(&tenant.id, unix_seconds(self.clock.now()), &*self.entropy)?;
        }
        self.ensure_administrators()?;
        let administrator = self.store.administrator()?;
        let first = administrator.map_or(Ok(None), |it| self.store.tenant(&it.tenant_id))?;
        let missing = || StoreError::corrupt("the administrator's application is of no tenant");
        Ok(Tenant::clone(&*first.ok_or_else(missing)?))
    }

    /// An administrator for every tenant whose one was deleted, and a secret for every one whose file is lost or holds none
    /// of its secrets: the tenant of that name may have been another one when the file was written, before a snapshot was
    /// restored. Blocks.
    pub(crate) fn ensure_administrators(&self) -> Result<(), SandboxError> {
        for tenant in self.store.tenants()? {
            let now = unix_seconds(self.clock.now());
            let secret = match self.store.administrator_of(&tenant.id)? {
                None => self.store.renew_administrator(&tenant, now, &*self.entropy)?,
                Some(it) if self.is_secret_kept(&tenant, &it)? => continue,
                Some(_) => self.store.renew_administrator_secret(&tenant.id, now, &*self.entropy)?,
            };
            self.keep(&tenant, &secret)?;
        }
        Ok(())
    }

    fn is_secret_kept(&self, tenant: &Tenant, administrator: &Application) -> Result<bool, SandboxError> {
        let Some(content) = self.directory()?.read(&secret_file(tenant))?.map(Secret::new) else {
            return Ok(false);
        };
        let secret = Secret::from(content.expose_text().unwrap_or_default().trim());
        let credentials = self.store.password_credentials(Holder::Application(administrator.id()))?;
        Ok(credentials.iter().any(|credential| credential.matches(&secret)))
    }

    /// Adds a tenant without people: `fabrikam` has the domain `fabrikam.onmicrosoft.com`. Blocks.
    ///
    /// # Errors
    /// The name is no name of a tenant, or there is a tenant of that name.
    pub(crate) fn add(&self, name: &str) -> Result<TenantAccess, SandboxError> {
        let is_name = (1..=MAX_NAME_CHARS).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !name.starts_with('-')
            && !name.ends_with('-');
        if !is_name {
            return Err(SandboxError::tenant_name(name));
        }
        if self.store.tenant(&format!("{name}{DOMAIN_SUFFIX}"))?.is_some() {
            return Err(SandboxError::tenant_exists(name));
        }
        let _held = self.directory()?;
        let tenant = self.make(name, 0, 0)?;
        self.access(&tenant)
    }

    /// Every tenant, oldest first. Blocks.
    pub(crate) fn list(&self) -> Result<Vec<TenantAccess>, SandboxError> {
        self.store.tenants()?.iter().map(|tenant| self.access(tenant)).collect()
    }

    /// Who administers a tenant. Blocks.
    pub(crate) fn access(&self, tenant: &Tenant) -> Result<TenantAccess, SandboxError> {
        let administrator = self
            .store
            .administrator_of(&tenant.id)?
            .ok_or_else(|| SandboxError::no_administrator(tenant.initial_domain()))?;
        Ok(TenantAccess {
            tenant_id: tenant.id.clone(),
            tenant_domain: tenant.initial_domain().to_owned(),
            administrator: Administrator {
                client_id: administrator.app_id().to_owned(),
                secret_file: self.secret_path(tenant)?,
            },
        })
    }

    fn make(&self, name: &str, users: u32, people_seed: u64) -> Result<Tenant, SandboxError> {
        let seeded = self.store.seed(&Seed {
            tenant_id: self.entropy.uuid(),
            domain: format!("{name}{DOMAIN_SUFFIX}"),
            display_name: capitalized(name),
            users,
            people_seed,
            now: unix_seconds(self.clock.now()),
            entropy: &*self.entropy,
        })?;
        self.keep(&seeded.tenant, &seeded.administrator_secret)?;
        Ok(seeded.tenant)
    }

    fn keep(&self, tenant: &Tenant, secret: &Secret) -> Result<(), SandboxError> {
        self.directory()?.write(&secret_file(tenant), secret.expose())
    }

    fn secret_path(&self, tenant: &Tenant) -> Result<PathBuf, SandboxError> {
        Ok(self.directory()?.file(&secret_file(tenant)))
    }

    fn directory(&self) -> Result<Arc<DataDirectory>, SandboxError> {
        self.directory
            .upgrade()
            .ok_or_else(|| SandboxError::internal("the tenant cannot be kept", "the sandbox has ended"))
    }
}

/// The file with the secret of a tenant's administrator.
fn secret_file(tenant: &Tenant) -> String {
    match tenant.initial_domain().strip_suffix(DOMAIN_SUFFIX).unwrap_or_else(|| tenant.initial_domain()) {
        FIRST => DataDirectory::ADMINISTRATOR_SECRET.to_owned(),
        name => DataDirectory::administrator_secret_of(name),
    }
}

fn capitalized(name: &str) -> String {
    let mut rest = name.chars();
    rest.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use unattended_core::{ManualClock, SeededEntropy};

    use super::*;
    use crate::store::{Table, objects};

    fn tenants() -> (Tenants, Arc<DataDirectory>) {
        let entropy: Arc<dyn Entropy> = Arc::new(unattended_core::SystemEntropy);
        let directory = Arc::new(DataDirectory::temporary(&*entropy).unwrap());
        let store = Arc::new(Store::in_memory().unwrap());
        let clock = Arc::new(ManualClock::at(1_800_000_000));
        (Tenants::new(&store, &directory, clock, Arc::new(SeededEntropy::new(5))), directory)
    }

    #[test]
    fn a_tenant_is_added_by_name_with_its_own_domain_graph_and_administrator() {
        let (tenants, _directory) = tenants();
        let first = tenants.prepare(0, 0).unwrap();
        let added = tenants.add("fabrikam").unwrap();
        assert_eq!(added.tenant_domain, "fabrikam.onmicrosoft.com");
        assert!(added.administrator.secret_file.ends_with("administrator.fabrikam.secret"));
        assert_eq!(std::fs::read(&added.administrator.secret_file).unwrap().len(), 40);
        let listed = tenants.list().unwrap();
        assert_eq!(listed.len(), 2);
        assert!(listed.contains(&added) && listed.contains(&tenants.access(&first).unwrap()));
        assert_ne!(listed[0].administrator, listed[1].administrator);
        let graph = |tenant: &str| {
            let graph = tenants.store.resource_by_name(tenant, "https://graph.microsoft.com").unwrap();
            graph.unwrap().id().to_owned()
        };
        assert_ne!(graph(&first.id), graph(&added.tenant_id));
        // The one that the sandbox began with stays the first, whichever was made in the same second.
        assert_eq!(tenants.prepare(0, 0).unwrap().id, first.id);
    }

    #[test]
    fn a_name_that_is_taken_or_is_none_is_refused() {
        let (tenants, _directory) = tenants();
        tenants.prepare(0, 0).unwrap();
        for name in ["", "a.b", "Fabrikam", "-a", "a-", "../x", "ä", &"a".repeat(28), "contoso"] {
            let error = tenants.add(name).unwrap_err();
            assert!(error.remedy().is_some() && error.is_tenant_refused(), "{name}: {error}");
        }
        assert_eq!(tenants.list().unwrap().len(), 1);
    }

    #[test]
    fn a_lost_secret_is_renewed_for_its_own_tenant_only() {
        let (tenants, _directory) = tenants();
        let first = tenants.prepare(0, 0).unwrap();
        let first = tenants.access(&first).unwrap().administrator.secret_file;
        let added = tenants.add("fabrikam").unwrap().administrator.secret_file;
        let (kept, lost) = (std::fs::read(&first).unwrap(), std::fs::read(&added).unwrap());
        std::fs::remove_file(&added).unwrap();
        tenants.prepare(0, 0).unwrap();
        assert_eq!(std::fs::read(&first).unwrap(), kept);
        assert_ne!(std::fs::read(&added).unwrap(), lost);
    }

    #[test]
    fn a_file_with_the_secret_of_another_tenant_of_the_name_gets_a_new_one() {
        let (tenants, directory) = tenants();
        tenants.prepare(0, 0).unwrap();
        let before = tenants.add("fabrikam").unwrap();
        let snapshot = directory.file("snapshot-with-fabrikam.sqlite3");
        tenants.store.snapshot(&snapshot).unwrap();
        let of_another = b"a secret that this one never had";
        directory.write("administrator.fabrikam.secret", of_another).unwrap();
        tenants.store.restore(&snapshot).unwrap();
        tenants.ensure_administrators().unwrap();
        let kept = std::fs::read(&before.administrator.secret_file).unwrap();
        assert_ne!(kept, of_another);
        let administrator = tenants.store.administrator_of(&before.tenant_id).unwrap().unwrap();
        let holder = Holder::Application(administrator.id());
        let credentials = tenants.store.password_credentials(holder).unwrap();
        assert_eq!(credentials.iter().filter(|it| it.matches(&Secret::new(kept.clone()))).count(), 1);
        // A line end that an editor added is none of the secret.
        directory.write("administrator.fabrikam.secret", &[&kept[..], b"\n"].concat()).unwrap();
        tenants.ensure_administrators().unwrap();
        assert_eq!(tenants.store.password_credentials(holder).unwrap().len(), credentials.len());
    }

    #[test]
    fn a_tenant_whose_administrator_was_deleted_has_another_one_after_the_next_start() {
        let (tenants, _directory) = tenants();
        let first = tenants.prepare(0, 0).unwrap();
        let added = tenants.add("fabrikam").unwrap();
        let before = tenants.access(&first).unwrap().administrator;
        for tenant in [&first.id, &added.tenant_id] {
            let administrator = tenants.store.administrator_of(tenant).unwrap().unwrap();
            let removed = tenants
                .store
                .write(|it| objects::delete(it, Table::Applications, tenant, administrator.id()));
            assert!(removed.unwrap());
        }
        let error = tenants.list().unwrap_err();
        assert!(error.remedy().unwrap().contains("again"), "{error}");
        assert_eq!(tenants.prepare(0, 0).unwrap(), first);
        let after = tenants.list().unwrap();
        assert!(after.iter().all(|it| ![&before, &added.administrator].contains(&&it.administrator)));
        let other = &after[0];
        let roles = tenants.store.vault_roles(&other.tenant_id, &other.administrator.client_id).unwrap();
        assert_eq!((after.len(), roles), (2, vec!["administrator".to_owned()]));
    }

    #[test]
    fn a_sandbox_that_has_ended_adds_no_tenant() {
        let (tenants, directory) = tenants();
        tenants.prepare(0, 0).unwrap();
        drop(directory);
        assert!(tenants.add("fabrikam").is_err());
        assert_eq!(tenants.store.tenants().unwrap().len(), 1);
    }
}
