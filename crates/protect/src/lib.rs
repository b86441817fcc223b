//! The resource side: validating app-only tokens, application permissions, a tower layer.
