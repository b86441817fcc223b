//! A token for every exchange, and one fresh token when the API refuses it.

use std::sync::Arc;

use http::StatusCode;
use unattended_core::{Authorization, Entropy, TokenDemand, TokenSource};

use crate::bearer::Bearer;
use crate::body::Answer;
use crate::challenge::{demanded_claims, demands_nonce};
use crate::deadline::Deadline;
use crate::error::{Error, Kind};
use crate::request::Request;

/// Asks the token source before every exchange and keeps nothing itself.
#[derive(Clone, Debug)]
pub(crate) struct Authenticate {
    pub(crate) bearer: Bearer,
    /// None where the address itself is the secret: no token goes there.
    pub(crate) tokens: Option<Arc<dyn TokenSource>>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Authenticate {
    /// One exchange, or two when the first token is refused: revoked, of a rotated key, or without the claims that
    /// the API demands by now. A second refusal is the answer. A proof that lacks the server's nonce is no refusal of the
    /// token.
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
        let Some(demand) = refusal(&answer, &authorization) else {
            return Ok(answer);
        };
        if !request.body.is_replayable() {
            return Ok(answer);
        }
        tracing::debug!(status = answer.status.as_u16(), "the API refused the token; asking for a newer one");
        let fresh = ask(&**tokens, demand, deadline).await?;
        if fresh == authorization {
            return Ok(answer);
        }
        self.exchange(request, Some(&fresh), deadline).await
    }

    async fn exchange(
        &self,
        request: &Request,
        authorization: Option<&Authorization>,
        deadline: &Deadline,
    ) -> Result<Answer, Error> {
        self.bearer.send(request, authorization, self.entropy.uuid(), deadline).await
    }
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

/// What kind of token would help, if the answer is a refusal of this one (RFC 6750 section 3.1).
fn refusal(answer: &Answer, refused: &Authorization) -> Option<TokenDemand> {
    let claims = demanded_claims(&answer.headers);
    let helps = match answer.status {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::FORBIDDEN => claims.is_some(),
        _ => false,
    };
    helps.then(|| TokenDemand::Newer { refused: refused.clone(), claims })
}
