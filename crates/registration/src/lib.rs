//! An application, its permissions, its credential and an administrator's consent, over the directory's own API.
