//! Workload identity: what Kubernetes tells a pod whose service account an application trusts.

use std::path::PathBuf;

use unattended_core::{ClientId, TenantId};

use crate::credential::{AssertionFile, SignedAssertion};
use crate::error::Error;

/// Who a pod may act as, by the variables that the webhook of workload identity sets.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct WorkloadIdentity {
    /// `AZURE_CLIENT_ID`.
    pub client_id: ClientId,
    /// `AZURE_TENANT_ID`.
    pub tenant: TenantId,
    /// `AZURE_AUTHORITY_HOST`, such as `https://login.microsoftonline.com/`.
    pub authority_host: Option<String>,
    /// `AZURE_FEDERATED_TOKEN_FILE`, which kubelet keeps up to date.
    pub token_file: PathBuf,
}

impl WorkloadIdentity {
    /// Reads the variables, each looked up by `variable`.
    ///
    /// # Errors
    /// The one that is missing, or is not what it should be.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let required = |name: &str| {
            variable(name).filter(|value| !value.is_empty()).ok_or_else(|| {
                Error::configuration(format!(
                    "{name} is not set: the pod's service account or its label for workload identity is missing"
                ))
            })
        };
        let invalid = |name: &str, cause: unattended_core::InvalidName| {
            Error::configuration(format!("{name} is none")).caused_by(cause)
        };
        Ok(Self {
            client_id: ClientId::parse(&required("AZURE_CLIENT_ID")?)
                .map_err(|cause| invalid("AZURE_CLIENT_ID", cause))?,
            tenant: TenantId::parse(&required("AZURE_TENANT_ID")?)
                .map_err(|cause| invalid("AZURE_TENANT_ID", cause))?,
            authority_host: variable("AZURE_AUTHORITY_HOST").filter(|host| !host.is_empty()),
            token_file: required("AZURE_FEDERATED_TOKEN_FILE")?.into(),
        })
    }

    /// The file as a credential: read for every token request.
    #[must_use]
    pub fn credential(&self) -> SignedAssertion {
        SignedAssertion::new(AssertionFile::new(&self.token_file))
    }
}
