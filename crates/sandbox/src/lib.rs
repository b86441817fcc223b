//! A tenant on this machine: identity platform and directory API.
