//! How the sandbox behaves, as values that can be changed while it runs.

use std::time::Duration;

use unattended_core::Entropy;

use crate::faults::FaultScript;

/// Everything that can be changed. [`KEYS`](super::keys::KEYS) says how each is called outside.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// How long a new assignment of an application role takes to show in tokens.
    pub(crate) consent_delay: Duration,
    /// How long a new object of the directory takes to be seen, by the authority too.
    pub(crate) replication_delay: Duration,
    /// How long a read of the directory after a write is served from before it.
    pub(crate) read_lag: Duration,
    /// How long a new federated credential takes to be known to the authority.
    pub(crate) federation_delay: Duration,
    /// How long a token lives.
    pub(crate) token_life: TokenLife,
    /// How long a token lives whose client handles claims challenges.
    pub(crate) cae_token_life: TokenLife,
    /// How long a delta link can be used.
    pub(crate) delta_life: Duration,
    /// How long the link to a next page can be used.
    pub(crate) page_life: Duration,
    /// How long every answer is held back.
    pub(crate) latency: Duration,
    /// Which quotas the directory keeps.
    pub(crate) throttling: Throttling,
    /// Whether the directory tells in `RateLimit-*` headers what is left of the quotas.
    pub(crate) rate_limit_headers: bool,
    /// Whether the directory tells the ETags of its objects.
    pub(crate) etags: bool,
    /// Whether the authority refuses a client that asks the same again and again (AADSTS50196).
    pub(crate) loop_rule: bool,
    /// How many tokens a tenant gets within ten seconds; the next request is throttled (AADSTS90055).
    pub(crate) token_quota: Option<u32>,
    /// The error that token requests meet.
    pub(crate) token_error: Option<TokenError>,
    /// Whether instance discovery knows this authority.
    pub(crate) instance_discovery: InstanceDiscovery,
    /// Whether clients may authenticate by mutual TLS (AADSTS51000 otherwise).
    pub(crate) mutual_tls: bool,
    /// What is added to the clock, in seconds.
    pub(crate) clock_offset: i64,
    /// Which requests meet a fault.
    pub(crate) faults: FaultScript,
}

/// An error of the authority's catalogue that comes instead of a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TokenError {
    /// The number after `AADSTS`.
    pub(crate) code: u32,
    /// Only for this application: clients remember failures, so that tests give each its own.
    pub(crate) client_id: Option<String>,
}

/// How long a token lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TokenLife {
    Fixed(Duration),
    /// Anything between the two, for each token anew.
    Between(Duration, Duration),
}

/// Which quotas hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Throttling {
    pub(crate) size: TenantSize,
    /// Multiplies every quota: 0.01 makes a hundredth of it.
    pub(crate) scale: f64,
}

/// Tenants of different sizes have different quotas.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TenantSize {
    /// No quotas.
    Off,
    Small,
    Medium,
    Large,
}

/// What instance discovery says of an authority that is asked about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum InstanceDiscovery {
    /// This authority is an instance of its own.
    Known,
    /// Nobody but the public clouds is: `invalid_instance`.
    Unknown,
}

impl Settings {
    /// Whether what was made at a time (RFC 3339) is known by now wherever it is asked for; what a tenant began with
    /// always was.
    pub(crate) fn is_replicated(&self, made: &str, tenant_made_at: i64, now: i64) -> bool {
        if self.replication_delay.is_zero() {
            return true;
        }
        let known_since = now.saturating_sub_unsigned(self.replication_delay.as_secs()).max(tenant_made_at);
        made.parse::<jiff::Timestamp>().map_or(true, |made| made.as_second() <= known_since)
    }
}

impl TokenLife {
    /// The life of one token, in whole seconds.
    pub(crate) fn draw(self, entropy: &dyn Entropy) -> Duration {
        match self {
            Self::Fixed(life) => life,
            Self::Between(shortest, longest) => {
                let range = u128::from(longest.as_secs().saturating_sub(shortest.as_secs())) + 1;
                let more = u64::try_from(entropy.bits() % range).unwrap_or(0);
                Duration::from_secs(shortest.as_secs() + more)
            }
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3600);
        Self {
            consent_delay: Duration::ZERO,
            replication_delay: Duration::ZERO,
            read_lag: Duration::ZERO,
            federation_delay: Duration::ZERO,
            token_life: TokenLife::Fixed(Duration::from_secs(3599)),
            cae_token_life: TokenLife::Between(20 * HOUR, 28 * HOUR),
            delta_life: 7 * 24 * HOUR,
            page_life: 7 * 24 * HOUR,
            latency: Duration::ZERO,
            throttling: Throttling { size: TenantSize::Off, scale: 1.0 },
            rate_limit_headers: false,
            etags: false,
            loop_rule: false,
            token_quota: None,
            token_error: None,
            instance_discovery: InstanceDiscovery::Known,
            mutual_tls: true,
            clock_offset: 0,
            faults: FaultScript::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use unattended_core::SeededEntropy;

    use super::*;

    #[test]
    fn a_random_life_stays_between_its_ends_and_reaches_both() {
        let entropy = SeededEntropy::new(3);
        let life = TokenLife::Between(Duration::from_secs(10), Duration::from_secs(12));
        let mut drawn: Vec<u64> = (0..100).map(|_| life.draw(&entropy).as_secs()).collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn, [10, 11, 12]);
    }
}
