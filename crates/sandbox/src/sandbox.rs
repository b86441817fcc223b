//! Starting a sandbox, and what a running one is.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use unattended_core::{Clock, Entropy, HttpClient, SystemClock, SystemEntropy};
use unattended_protect::{Validator, ValidatorBuilder};

use crate::SandboxError;
use crate::admission::Admission;
use crate::authority::{self, Authority, Issuers, Limits, Origin, SigningKeys};
use crate::consent::{self, Consent};
use crate::control::Control;
use crate::data_directory::DataDirectory;
use crate::directory::{self, Directory};
use crate::front::Front;
use crate::intake::Intake;
use crate::managed_identity::{self, Hosts};
use crate::outbound::Outbound;
use crate::ready::Ready;
use crate::server::Server;
use crate::snapshots::Snapshots;
use crate::store::{GRAPH_APP_ID, SECRETS, Store};
use crate::tenants::{TenantAccess, Tenants};
use crate::tls::{self, Doors};
use crate::vault::{self, Vaults};

/// How Microsoft Graph is named in scopes.
const GRAPH_RESOURCE: &str = "https://graph.microsoft.com";

/// The setting that remembers the port.
const PORT: &str = "port";

/// A tenant on this machine.
#[derive(Debug)]
pub struct Sandbox;

impl Sandbox {
    /// Decides where the sandbox lives and listens. By default it is in memory, on a free port of 127.0.0.1.
    #[must_use]
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder {
            directory: None,
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            users: 0,
            seed: 0,
            clock: Arc::new(SystemClock),
            issuer_authorities: Vec::new(),
            is_exposed: false,
        }
    }

    /// Removes everything that a sandbox keeps in a directory: tenant, keys, secrets. Other files stay. A directory
    /// that does not exist is empty already.
    ///
    /// # Errors
    /// A sandbox is running on the directory, or a file cannot be removed.
    pub fn reset(directory: &Path) -> Result<(), SandboxError> {
        if !directory.try_exists().map_err(|error| SandboxError::file("find", directory, error))? {
            return Ok(());
        }
        DataDirectory::hold(directory)?.empty()
    }
}

/// How a sandbox will start.
#[derive(Clone, Debug)]
pub struct SandboxBuilder {
    directory: Option<PathBuf>,
    listen: SocketAddr,
    users: u32,
    seed: u64,
    clock: Arc<dyn Clock>,
    issuer_authorities: Vec<Vec<u8>>,
    is_exposed: bool,
}

impl SandboxBuilder {
    /// Keeps everything in a directory, which is made with mode 0700 if need be. A tenant that is there already is
    /// served again.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Keeps the tenant in memory. The certificate and the administrator's secret, which other programs read, are files
    /// in a temporary directory that goes with the sandbox.
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.directory = None;
        self
    }

    /// Listens on a loopback address, and on another one only if it may be [exposed](Self::expose_to_network). Port 0 is the port of the last start in the same directory if it is free, so
    /// that what was configured stays valid, else any free port.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Lets the sandbox listen on addresses that other machines reach. Everybody there may then ask for tokens and for
    /// the administrator's consent, and guess at secrets. The certificate still names this machine's loopback names only:
    /// it is meant for a container whose port is published on the loopback address of its host.
    #[must_use]
    pub fn expose_to_network(mut self) -> Self {
        self.is_exposed = true;
        self
    }

    /// Makes so many people in a new tenant.
    #[must_use]
    pub fn users(mut self, users: u32) -> Self {
        self.users = users;
        self
    }

    /// Trusts a PEM bundle when the keys of another issuer are fetched for a federated credential, beside the operating
    /// system's authorities and the sandbox's own. May be called often.
    #[must_use]
    pub fn trust_issuers_of(mut self, bundle: impl Into<Vec<u8>>) -> Self {
        self.issuer_authorities.push(bundle.into());
        self
    }

    /// Chooses which people: the same seed makes the same ones.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Replaces the machine's clock. Certificates are dated by it too: a clock far from real time makes clients refuse
    /// the connection.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts it. Connections are accepted from the moment this returns. Needs a tokio runtime with its drivers, on
    /// which it keeps running. Cancelling the future starts nothing.
    ///
    /// # Errors
    /// The address is not a loopback address and may not be exposed, or it is in use; the directory cannot be written or another sandbox holds it;
    /// its data are damaged.
    pub async fn start(self) -> Result<RunningSandbox, SandboxError> {
        let Self { directory, listen, users, seed, clock, issuer_authorities, is_exposed } = self;
        if !listen.ip().is_loopback() && !is_exposed {
            return Err(SandboxError::not_loopback(listen));
        }
        let preparation = {
            let clock = Arc::clone(&clock);
            move || Prepared::new(directory.as_deref(), users, seed, clock, issuer_authorities)
        };
        let prepared = tokio::task::spawn_blocking(preparation)
            .await
            .map_err(|error| SandboxError::internal("the start was interrupted", error))??;
        let listener = bind(listen, prepared.last_port).await?;
        let address = listener.local_addr().map_err(|error| SandboxError::listen(listen, error))?;
        prepared.serve(listener, address.port(), clock)
    }
}

/// A sandbox without a listener: its requests come from this process.
#[cfg(feature = "in-process")]
#[derive(Debug)]
pub struct SandboxInProcess {
    /// Where it would be on port 443, and who administers it.
    pub ready: Ready,
    /// What answers. Needs a tokio runtime, on which it may block.
    pub router: Router,
    _directory: Arc<DataDirectory>,
}

#[cfg(feature = "in-process")]
impl SandboxBuilder {
    /// Makes it without a listener, for tests that have no use for connections. Blocks.
    ///
    /// # Errors
    /// The directory cannot be written or another sandbox holds it; its data are damaged.
    pub fn in_process(self) -> Result<SandboxInProcess, SandboxError> {
        let Self { directory, users, seed, clock, issuer_authorities, .. } = self;
        let prepared = Prepared::new(directory.as_deref(), users, seed, clock, issuer_authorities)?;
        let origin = Origin::of_port(443);
        let ready = prepared.ready(&origin);
        let router = prepared.routes(origin, &CancellationToken::new())?;
        Ok(SandboxInProcess { ready, router, _directory: prepared.directory })
    }
}

/// Everything that a sandbox needs but its address.
pub(crate) struct Prepared {
    directory: Arc<DataDirectory>,
    store: Arc<Store>,
    pub(crate) control: Arc<Control>,
    tenants: Tenants,
    first_tenant: TenantAccess,
    pub(crate) keys: Arc<SigningKeys>,
    /// The way to other issuers.
    outbound: Arc<dyn HttpClient>,
    tls: Doors,
    last_port: Option<u16>,
}

impl Prepared {
    fn new(
        directory: Option<&Path>,
        users: u32,
        people_seed: u64,
        clock: Arc<dyn Clock>,
        mut issuer_authorities: Vec<Vec<u8>>,
    ) -> Result<Self, SandboxError> {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let (directory, store) = match directory {
            Some(path) => {
                let directory = DataDirectory::hold(path)?;
                let store = Store::open(&directory.database())?;
                (directory, store)
            }
            None => (DataDirectory::temporary(&*entropy)?, Store::in_memory()?),
        };
        let tls = tls::doors(&directory, clock.now())?;
        issuer_authorities.extend(directory.read(DataDirectory::CA_CERTIFICATE)?);
        let outbound = Arc::new(Outbound::trusting(issuer_authorities)?);
        let people = (users, people_seed);
        Self::assemble(directory, Arc::new(store), tls, clock, entropy, outbound, people)
    }

    /// Puts the parts together, and makes the first tenant with so many people, and which, unless there is one.
    pub(crate) fn assemble(
        directory: DataDirectory,
        store: Arc<Store>,
        tls: Doors,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        outbound: Arc<dyn HttpClient>,
        (users, people_seed): (u32, u64),
    ) -> Result<Self, SandboxError> {
        let directory = Arc::new(directory);
        let is_new = store.tenants()?.is_empty();
        // Whoever reads later needs no room on the disk for them.
        for name in SECRETS {
            store.secret_setting(name)?;
        }
        let control = Arc::new(Control::load(Arc::clone(&store), clock)?);
        let tenants = Tenants::new(&store, &directory, control.clock(), entropy);
        let first_tenant = tenants.access(&tenants.prepare(users, people_seed)?)?;
        let prepared = Self {
            keys: Arc::new(SigningKeys::load(&store, control.clock().now())?),
            last_port: last_port(&store)?,
            outbound,
            tls,
            tenants,
            first_tenant,
            control,
            store,
            directory,
        };
        if is_new {
            Snapshots::new(&prepared.store, &prepared.directory).take_start()?;
        }
        Ok(prepared)
    }

    pub(crate) fn serve(
        self,
        listener: TcpListener,
        port: u16,
        clock: Arc<dyn Clock>,
    ) -> Result<RunningSandbox, SandboxError> {
        if self.last_port != Some(port) {
            self.store.set_setting(PORT, port.to_string().as_bytes())?;
        }
        let origin = Origin::of_port(port);
        let ready = self.ready(&origin);
        let stop = CancellationToken::new();
        let routes = self.routes(origin, &stop)?;
        let server = Server::new(routes, self.tls, clock, self.control.clock(), stop.clone());
        let task = tokio::spawn(server.serve(listener));
        Ok(RunningSandbox {
            ready,
            stop,
            task: Some(task),
            tenants: self.tenants,
            _directory: self.directory,
        })
    }

    /// Everything that is answered, with the front before it.
    fn routes(&self, origin: Origin, stop: &CancellationToken) -> Result<Router, SandboxError> {
        let intake = Arc::new(Intake::new(self.control.clock()));
        let front = Front {
            store: &self.store,
            directory: &self.directory,
            control: &self.control,
            tenants: &self.tenants,
            keys: &self.keys,
            intake: Arc::clone(&intake),
            base: origin.base().to_owned(),
            stop: stop.clone(),
        };
        Ok(vault::by_host(front.build()?.before(self.router(origin, intake)?)))
    }

    fn ready(&self, origin: &Origin) -> Ready {
        let TenantAccess { tenant_id, tenant_domain, administrator } = self.first_tenant.clone();
        Ready {
            authority: origin.base().to_owned(),
            tenant_id,
            tenant_domain: tenant_domain.clone(),
            graph: format!("{}/graph/v1.0", origin.base()),
            graph_resource: GRAPH_RESOURCE.into(),
            vault: vault::vault_url(origin, tenant_domain.split('.').next().unwrap_or_default()),
            ca_file: self.directory.file(DataDirectory::CA_CERTIFICATE),
            administrator,
        }
    }

    fn router(&self, origin: Origin, intake: Arc<Intake>) -> Result<Router, SandboxError> {
        let internal = |error| SandboxError::internal("the tenant's tokens cannot be validated", error);
        // Every tenant that the keys sign for is one of this sandbox.
        let validator = || {
            let validator = Validator::builder().any_tenant().keys(Arc::clone(&self.keys) as _);
            authority::issuers(&origin).into_iter().fold(validator, ValidatorBuilder::issuer)
        };
        let of_directory = [GRAPH_APP_ID, GRAPH_RESOURCE, &format!("{GRAPH_RESOURCE}/")]
            .into_iter()
            .fold(validator(), ValidatorBuilder::audience);
        let of_vault = vault::audiences(validator(), &origin);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let control = &self.control;
        let directory = Directory {
            throttle: directory::Throttle::default(),
            pages: directory::Pages::default(),
            lag: directory::Lag::default(),
            intake,
            store: Arc::clone(&self.store),
            control: Arc::clone(control),
            clock: control.clock(),
            entropy: Arc::clone(&entropy),
            admission: Arc::new(Admission::new(of_directory.build().map_err(internal)?)),
            base_url: format!("{}{}", origin.base(), directory::MOUNT),
        };
        let vaults = Vaults {
            store: Arc::clone(&self.store),
            control: Arc::clone(control),
            throttle: vault::Throttle::default(),
            clock: control.clock(),
            entropy: Arc::clone(&entropy),
            admission: Admission::new(of_vault.build().map_err(internal)?),
            origin: origin.clone(),
        };
        let authority = Authority {
            store: Arc::clone(&self.store),
            control: Arc::clone(control),
            clock: control.clock(),
            entropy,
            origin,
            keys: Arc::clone(&self.keys),
            issuers: Issuers::new(Arc::clone(&self.outbound), control.clock()),
            limits: Limits::default(),
        };
        let authority = Arc::new(authority);
        let consent = Arc::new(Consent::new(Arc::clone(&authority))?);
        let hosts = Hosts::new(&self.store, &self.directory, authority.origin.base());
        let identities = managed_identity::router(Arc::clone(&authority), hosts);
        let authority = authority::router(authority).layer(from_fn_with_state(consent, consent::answer));
        Ok(Router::new()
            .nest(directory::MOUNT, directory::router(Arc::new(directory)))
            .nest("/vault", vault::router(Arc::new(vaults)))
            .merge(identities)
            .merge(authority))
    }
}

fn last_port(store: &Store) -> Result<Option<u16>, SandboxError> {
    let port = store.setting(PORT)?;
    Ok(port.and_then(|port| String::from_utf8_lossy(&port).parse().ok()))
}

/// Binds the address; port 0 means the last port first.
async fn bind(address: SocketAddr, last_port: Option<u16>) -> Result<TcpListener, SandboxError> {
    if let Some(port) = last_port.filter(|_| address.port() == 0) {
        match TcpListener::bind(SocketAddr::new(address.ip(), port)).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                tracing::warn!(
                    port,
                    "the port of the last start is taken: what was configured for it is not valid"
                );
            }
            bound => return bound.map_err(|error| SandboxError::listen(address, error)),
        }
    }
    TcpListener::bind(address).await.map_err(|error| SandboxError::listen(address, error))
}

/// A sandbox that accepts connections. Dropped without [`shutdown`](Self::shutdown), it stops accepting and cuts no
/// answer off.
pub struct RunningSandbox {
    ready: Ready,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
    tenants: Tenants,
    _directory: Arc<DataDirectory>,
}

impl RunningSandbox {
    /// Where it is and who administers it.
    #[must_use]
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Adds a tenant without people, beside those that there are: `fabrikam` gets the domain `fabrikam.onmicrosoft.com`,
    /// a Microsoft Graph and an administrator of its own. Dropping the future may leave it added.
    ///
    /// # Errors
    /// The name is not made of small letters, digits and hyphens, or is taken
    /// ([`SandboxError::is_tenant_refused`]); the tenant cannot be kept.
    pub async fn add_tenant(&self, name: &str) -> Result<TenantAccess, SandboxError> {
        let (tenants, name) = (self.tenants.clone(), name.to_owned());
        tokio::task::spawn_blocking(move || tenants.add(&name))
            .await
            .map_err(|error| SandboxError::internal("the tenant was not added", error))?
    }

    /// Stops accepting connections, lets requests under way end for up to five seconds, and gives the directory back;
    /// a temporary one is removed.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the server ended badly");
        }
    }
}

impl Drop for RunningSandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for RunningSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningSandbox").field("ready", &self.ready).finish_non_exhaustive()
    }
}
