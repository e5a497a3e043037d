//! Hither for Android and the JVM, through JNI: the native half of the Java class `dev.hither.Native`.
//!
//! So far it only tells ids apart, which is what an app needs to check one that was typed or scanned. No panic
//! and no error leaves a function here but as a Java exception.

use hither_protocol::identity::PeerId;
use jni::EnvUnowned;
use jni::errors::ThrowRuntimeExAndDefault;
use jni::objects::{JClass, JString};

/// Why a call failed: its text becomes the Java exception's message.
#[derive(Debug)]
enum BridgeError {
    Java(jni::errors::Error),
    Id(hither_protocol::identity::ParsePeerIdError),
}

impl std::fmt::Display for BridgeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Java(error) => write!(f, "{error}"),
            Self::Id(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for BridgeError {}

impl From<jni::errors::Error> for BridgeError {
    fn from(error: jni::errors::Error) -> Self {
        Self::Java(error)
    }
}

/// `static native String canonicalPeerId(String typed)`: the id as it is written, or an exception that names the
/// place of a typing error.
#[unsafe(no_mangle)]
pub extern "system" fn Java_dev_hither_Native_canonicalPeerId<'caller>(
    mut env: EnvUnowned<'caller>,
    _class: JClass<'caller>,
    typed: JString<'caller>,
) -> JString<'caller> {
    let outcome = env.with_env(|env| -> Result<_, BridgeError> {
        let typed: String = typed.try_to_string(env)?;
        let id: PeerId = typed.parse().map_err(BridgeError::Id)?;
        Ok(JString::from_str(env, id.to_string())?)
    });
    outcome.resolve::<ThrowRuntimeExAndDefault>()
}
