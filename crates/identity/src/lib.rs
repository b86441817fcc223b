//! Credentials in, tokens out: the OAuth 2.0 client credentials grant.
