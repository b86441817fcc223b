//! A token for every exchange, and one fresh token when the API refuses it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::StatusCode;
use unattended_core::{Authorization, Clock, Entropy, TokenDemand, TokenSource};

use crate::bearer::Bearer;
use crate::body::Answer;
use crate::challenge::{demanded_claims, demands_nonce};
use crate::deadline::Deadline;
use crate::error::{Error, Kind};
use crate::odata_error::ErrorBody;
use crate::permissions::DENIED;
use crate::refused_token::RefusedToken;
use crate::request::Request;
use crate::traffic;

/// A token of this age may be older than a permission that was granted meanwhile. One is asked for anew at most once in
/// this time: whoever lacks a permission for good must not be a burden to the token endpoint.
const OLDER_THAN_A_GRANT: Duration = Duration::from_secs(5 * 60);

/// Asks the token source before every exchange and keeps nothing itself.
#[derive(Clone)]
pub(crate) struct Authenticate {
    pub(crate) bearer: Bearer,
    /// None where the address itself is the secret: no token goes there.
    pub(crate) tokens: Option<Arc<dyn TokenSource>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// When a token was last asked for because of a permission, on the monotonic clock.
    pub(crate) denials: Arc<Mutex<Option<Duration>>>,
    pub(crate) origin: Arc<traffic::Origin>,
}

impl Authenticate {
    /// One exchange, or two when the first token is refused: revoked, of a rotated key, without the claims that the API
    /// demands by now, or older than the permission that it lacks. A second refusal is the answer. A proof that lacks
    /// the server's nonce is no refusal of the token.
    pub(crate) async fn send(&self, request: &Request, deadline: &Deadline) -> Result<Answer, Error> {
        let Some(tokens) = &self.tokens else { return self.exchange(request, None, deadline).await };
        let authorization = ask(&**tokens, TokenDemand::Live, deadline).await?;
        let mut answer = self.exchange(request, Some(&authorization), deadline).await?;
        // The token is good; the server wants its nonce in the proof beside it (RFC 9449 section 9).
        if answer.status == StatusCode::UNAUTHORIZED
            && demands_nonce(&answer.headers)
            && authorization.possession().is_some()
            && request.body.is_replayable()
        {
            answer = self.exchange(request, Some(&authorization), deadline).await?;
        }
        let reason = answer.refused_token.as_deref().filter(|_| request.body.is_replayable());
        let Some(reason) = reason.and_then(|refused| self.reason(&answer, refused)) else {
            return Ok(answer);
        };
        tracing::debug!(status = answer.status.as_u16(), "the API refused the token; asking for a newer one");
        let (claims, is_of_permission) = match reason {
            Reason::Token => (None, false),
            Reason::Claims(claims) => (Some(claims), false),
            Reason::Permission => (None, true),
        };
        let demand = TokenDemand::Newer { refused: authorization.clone(), claims };
        let fresh = match ask(&**tokens, demand, deadline).await {
            // The refusal may well stand; that there is no newer token just now is not what is wrong.
            Err(_) if is_of_permission => return Ok(answer),
            fresh => fresh?,
        };
        if fresh == authorization {
            return Ok(answer);
        }
        self.origin.counters.token_replaced();
        self.exchange(request, Some(&fresh), deadline).await
    }

    /// Why a newer token would help, if it would (RFC 6750 section 3.1).
    fn reason(&self, answer: &Answer, refused: &RefusedToken) -> Option<Reason> {
        match (answer.status, demanded_claims(&answer.headers)) {
            (_, Some(claims)) => Some(Reason::Claims(claims)),
            (StatusCode::UNAUTHORIZED, None) => Some(Reason::Token),
            (_, None) => self.may_have_been_granted(answer, refused).then_some(Reason::Permission),
        }
    }

    /// Whether the permission that is missing may be in a newer token. It is only asked once in a while.
    fn may_have_been_granted(&self, answer: &Answer, refused: &RefusedToken) -> bool {
        let is_old = |issued_at: SystemTime| {
            self.clock.now().duration_since(issued_at).is_ok_and(|age| age >= OLDER_THAN_A_GRANT)
        };
        if !refused.issued_at.is_some_and(is_old)
            || ErrorBody::read(&answer.body).code.as_deref() != Some(DENIED)
        {
            return false;
        }
        let now = self.clock.elapsed();
        let mut denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = denials.is_none_or(|last| now.saturating_sub(last) >= OLDER_THAN_A_GRANT);
        if is_due {
            *denials = Some(now);
        }
        is_due
    }

    async fn exchange(
        &self,
        request: &Request,
        authorization: Option<&Authorization>,
        deadline: &Deadline,
    ) -> Result<Answer, Error> {
        let mut answer = self.bearer.send(request, authorization, self.entropy.uuid(), deadline).await?;
        if let (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(refused)) =
            (answer.status, authorization)
        {
            let refused = RefusedToken::of(refused, &answer.headers, self.clock.now());
            answer.refused_token = Some(Box::new(refused));
        }
        Ok(answer)
    }
}

/// Why a newer token may help.
enum Reason {
    /// The token as such was refused.
    Token,
    /// The API wants these claims in it.
    Claims(String),
    /// A permission was not in it.
    Permission,
}

async fn ask(
    tokens: &dyn TokenSource,
    demand: TokenDemand,
    deadline: &Deadline,
) -> Result<Authorization, Error> {
    match deadline.limit(tokens.authorization(demand)).await {
        Some(authorization) => authorization.map_err(Error::of_token),
        None => Err(Error::new(Kind::Token { transient: true }).because("the token did not come in time")),
    }
}
