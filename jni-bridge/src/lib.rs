//! Hither for Android and the JVM, through JNI: the native half of the Java package `dev.hither`.
//!
//! The Java half is in `java/`. What crosses is small and typed:
//!
//! - `natives` is every function that Java calls: text and numbers come in, are parsed once, and
//!   values of Java classes go out;
//! - `java` declares those functions, and the Java functions that make values and events;
//! - `registry` keeps nodes by number, so that a number that is stale or made up is an error and nothing worse;
//! - `session` is one running node, `home` its directory, `descriptor` what an app lends by a file descriptor;
//! - `told` tells events to Java, and `failure` what went wrong, by a reason that Java knows too.
//!
//! No panic and no error leaves a function here but as a Java exception. No thread of this library calls Java: Java's
//! own threads fetch events here, so there is none to attach to the JVM or to detach.

mod arguments;
mod descriptor;
mod failure;
mod home;
mod java;
mod natives;
mod registry;
mod session;
mod told;
