//! A private key in a hardware module.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as ModuleError, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use tokio::task::spawn_blocking;
use unattended_core::{BoxFuture, Secret};

use super::{Signer, SigningAlgorithm};
use crate::error::Error;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What stands before a SHA-256 digest in a signature of RS256 (RFC 8017 section 9.2): its algorithm, in DER.
const SHA256_PREFIX: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];

/// A private key that a PKCS#11 module keeps: a smart card, a hardware security module, or a program such as SoftHSM. The
/// module signs; the key never enters this process.
///
/// The session with the token is opened with the first signature and kept; one that broke is opened anew, once. Tokens
/// lock themselves after a few wrong PINs, so a PIN that was refused is never tried again.
#[derive(Clone)]
pub struct Pkcs11Signer(Arc<Inner>);

struct Inner {
    module: PathBuf,
    token: String,
    key: String,
    pin: Secret,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// With the key in it.
    session: Option<(Session, ObjectHandle)>,
    pin_was_refused: bool,
}

impl Pkcs11Signer {
    /// The key with the label `key` on the token with the label `token`, by the module (a shared library) at the path
    /// `module`. Nothing is loaded yet.
    ///
    /// # Errors
    /// The PIN is not text.
    pub fn new(module: impl Into<PathBuf>, token: &str, key: &str, pin: Secret) -> Result<Self, Error> {
        if pin.expose_text().is_none() {
            return Err(Error::credential("the PIN of the token is not text"));
        }
        Ok(Self(Arc::new(Inner {
            module: module.into(),
            token: token.to_owned(),
            key: key.to_owned(),
            pin,
            state: Mutex::default(),
        })))
    }
}

impl Inner {
    /// Blocks as long as the hardware takes.
    fn sign(&self, algorithm: SigningAlgorithm, digest: &[u8]) -> Result<Vec<u8>, BoxError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((session, key)) = &state.session {
            match sign(session, *key, algorithm, digest) {
                Ok(signature) => return Ok(signature),
                // The token may have been taken out, or its server started anew.
                Err(_) => state.session = None,
            }
        }
        let (session, key) = self.open(&mut state)?;
        let signature = sign(&session, key, algorithm, digest)?;
        state.session = Some((session, key));
        Ok(signature)
    }

    fn open(&self, state: &mut State) -> Result<(Session, ObjectHandle), BoxError> {
        if state.pin_was_refused {
            return Err("its PIN was refused before, and another attempt could lock it".into());
        }
        let module = load(&self.module)?;
        let is_wanted = |slot: &_| module.get_token_info(*slot).is_ok_and(|info| info.label() == self.token);
        let slot = module
            .get_slots_with_token()?
            .into_iter()
            .find(is_wanted)
            .ok_or_else(|| format!("the module has no token `{}`", self.token))?;
        let session = module.open_ro_session(slot)?;
        let pin = AuthPin::new(self.pin.expose_text().unwrap_or_default().into());
        match session.login(UserType::User, Some(&pin)) {
            // Another session of this process was there first.
            Ok(()) | Err(ModuleError::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(error) => {
                state.pin_was_refused = matches!(
                    error,
                    ModuleError::Pkcs11(
                        RvError::PinIncorrect
                            | RvError::PinInvalid
                            | RvError::PinLenRange
                            | RvError::PinLocked,
                        _
                    )
                );
                return Err(error.into());
            }
        }
        let wanted =
            [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(self.key.clone().into_bytes())];
        match session.find_objects(&wanted)?[..] {
            [key] => Ok((session, key)),
            [] => Err(format!("the token has no private key `{}`", self.key).into()),
            _ => Err(format!("the token has more than one private key `{}`", self.key).into()),
        }
    }
}

/// A module that this process has loaded already is the same one.
fn load(path: &Path) -> Result<Pkcs11, BoxError> {
    let module = Pkcs11::new(path)?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(ModuleError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(module),
        Err(error) => Err(error.into()),
    }
}

fn sign(
    session: &Session,
    key: ObjectHandle,
    algorithm: SigningAlgorithm,
    digest: &[u8],
) -> Result<Vec<u8>, ModuleError> {
    match algorithm {
        SigningAlgorithm::Ps256 => {
            let parameters = PkcsPssParams {
                hash_alg: MechanismType::SHA256,
                mgf: PkcsMgfType::MGF1_SHA256,
                s_len: 32.into(),
            };
            session.sign(&Mechanism::RsaPkcsPss(parameters), key, digest)
        }
        SigningAlgorithm::Rs256 => session.sign(&Mechanism::RsaPkcs, key, &[&SHA256_PREFIX, digest].concat()),
        SigningAlgorithm::Es256 => session.sign(&Mechanism::Ecdsa, key, digest),
    }
}

impl Signer for Pkcs11Signer {
    fn sign_digest<'a>(
        &'a self,
        algorithm: SigningAlgorithm,
        digest: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, BoxError>> {
        let (inner, digest) = (Arc::clone(&self.0), digest.to_vec());
        Box::pin(async move { spawn_blocking(move || inner.sign(algorithm, &digest)).await? })
    }

    fn describe(&self) -> String {
        format!("the key `{}` of the token `{}`", self.0.key, self.0.token)
    }
}

impl fmt::Debug for Pkcs11Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pkcs11Signer").field(&self.describe()).finish()
    }
}
