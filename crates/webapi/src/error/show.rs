//! What an error looks like.

use std::error::Error as StdError;
use std::fmt;

use super::{Error, Inner, Kind, Withheld};

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            subject,
            status,
            body,
            attempts,
            ambiguous,
            withheld,
            largest_page,
            refused_token,
            ..
        } = &*self.0;
        if let Some(subject) = subject {
            write!(f, "{subject}: ")?;
        }
        match kind {
            Kind::Configuration(reason)
            | Kind::InvalidRequest(reason)
            | Kind::NotDivisible(reason)
            | Kind::Protocol(reason) => f.write_str(reason)?,
            Kind::Batch { .. } => f.write_str("the batch failed")?,
            Kind::CircuitOpen => f.write_str("the API fails too often to be asked just now")?,
            Kind::DeadlinePassed => f.write_str("the time for the operation is over")?,
            Kind::Exchange(_) => f.write_str("no answer")?,
            Kind::ForeignOrigin => {
                f.write_str("this address does not belong to the API, so no token goes there")?
            }
            Kind::GateClosed => {
                f.write_str("the API has asked for no more requests for longer than this may take")?
            }
            Kind::LinkLoop { page, first_seen } => {
                write!(f, "page {page} is page {first_seen} again: the links go round in a circle")?;
            }
            Kind::NotSent { .. } => f.write_str("not sent, because the batch before it failed")?,
            Kind::Refused => {
                f.write_str("refused")?;
                if let Some(status) = status {
                    write!(f, " with {status}")?;
                }
            }
            Kind::Token { .. } => f.write_str("not sent")?,
            Kind::UploadState => f.write_str("the state of the upload cannot be kept or read")?,
        }
        // A failed batch is the source of this error and says the rest itself.
        if matches!(kind, Kind::Batch { .. }) {
            return if *ambiguous { f.write_str("; this may have been done nevertheless") } else { Ok(()) };
        }
        if let Some(code) = &body.code {
            write!(f, ", {code}")?;
        }
        if let Some(message) = &body.message {
            write!(f, ": {}", message.chars().take(500).collect::<String>())?;
        }
        // Of a missing permission the remedy tells.
        if self.is_unauthorized()
            && let Some(token) = refused_token
        {
            write!(f, "; the token: {token}")?;
        }
        if let Some(largest) = largest_page {
            write!(f, "; a page of this collection has at most {largest} items")?;
        }
        if *ambiguous {
            f.write_str("; the API may have done it nevertheless")?;
        }
        match withheld {
            // The reason itself says so.
            Some(Withheld::Body) if matches!(kind, Kind::InvalidRequest(_)) => {}
            Some(Withheld::Body) => f.write_str("; not repeated, because its body can be read only once")?,
            Some(Withheld::Budget) => f.write_str("; not repeated, because too much was repeated already")?,
            None => {}
        }
        if attempts.len() > 1 {
            write!(f, " ({} attempts)", attempts.len())?;
        }
        if let Some(request_id) = &body.request_id {
            write!(f, " [request-id {request_id}]")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            subject,
            status,
            body,
            location: _,
            retry_at,
            ambiguous,
            withheld,
            current,
            largest_page,
            remedy,
            refused_token,
            attempts,
            source,
        } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("subject", subject)
            .field("status", status)
            .field("body", body)
            .field("retry_at", retry_at)
            .field("ambiguous", ambiguous)
            .field("withheld", withheld)
            .field("current", current)
            .field("largest_page", largest_page)
            .field("remedy", remedy)
            .field("refused_token", refused_token)
            .field("attempts", attempts)
            .field("source", source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
