//! What systemd is told (`Type=notify`). Without systemd, and on other systems, nothing happens.

/// A step in the life of the service.
#[derive(Debug)]
pub(crate) enum State<'a> {
    Ready,
    Stopping,
    /// A line for `systemctl status`.
    Status(&'a str),
}

#[cfg(unix)]
pub(crate) fn tell(states: &[State<'_>]) {
    use sd_notify::NotifyState;
    let states: Vec<NotifyState<'_>> = states
        .iter()
        .map(|state| match state {
            State::Ready => NotifyState::Ready,
            State::Stopping => NotifyState::Stopping,
            State::Status(text) => NotifyState::Status(text),
        })
        .collect();
    if let Err(error) = sd_notify::notify(&states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

#[cfg(not(unix))]
pub(crate) fn tell(_: &[State<'_>]) {}
