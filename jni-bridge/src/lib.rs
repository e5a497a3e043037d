//! jni-bridge
