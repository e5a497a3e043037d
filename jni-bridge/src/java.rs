//! What crosses: the functions of `dev.hither.Native`, which Java calls, and those of `dev.hither.FromNative`, which make
//! the values of Java classes. Where a value is one of an enum, the constant's name crosses.

#![allow(elided_lifetimes_in_paths, reason = "the macro takes a type's name alone")]
#![allow(clippy::too_many_arguments, reason = "a call with many arguments costs less than many calls")]

use jni::bind_java_type;

use crate::failure::Throw;

bind_java_type! { pub(crate) JContact => dev.hither.Contact }
bind_java_type! { pub(crate) JPeer => dev.hither.Peer }
bind_java_type! { pub(crate) JStatus => dev.hither.TransferStatus }
bind_java_type! { pub(crate) JEvent => dev.hither.Event }
bind_java_type! {
    pub(crate) JHitherException => dev.hither.HitherException,
    is_instance_of = { JThrowable },
}

bind_java_type! {
    pub(crate) FromNative => dev.hither.FromNative,
    type_map = {
        JContact => dev.hither.Contact,
        JPeer => dev.hither.Peer,
        JStatus => dev.hither.TransferStatus,
        JEvent => dev.hither.Event,
        JHitherException => dev.hither.HitherException,
    },
    methods {
        static fn failure(reason: JString, text: JString) -> JHitherException,
        static fn contact(
            peer: JString, name: JString, blocked: jboolean, verified: jboolean
        ) -> JContact,
        static fn peer(
            peer: JString, name: JString, calls_itself: JString, connected: jboolean, near: jboolean,
            addresses: JString[], round_trip_micros: jlong
        ) -> JPeer,
        static fn status(
            transfer: JString, peer: JString, sending: jboolean, name: JString, files: jint, bytes: jlong,
            done: jlong, begun: jlong, state: JString, paths: JString[]
        ) -> JStatus,
        static fn connected(peer: JString, address: JString, lan: jboolean) -> JEvent,
        static fn disconnected(peer: JString, why: JString) -> JEvent,
        static fn unreachable(peer: JString, why: JString) -> JEvent,
        static fn message(
            id: JString, from: JString, standing: JString, text: JString, time: jlong
        ) -> JEvent,
        static fn message_sent(id: JString, to: JString, state: JString) -> JEvent,
        static fn offering(
            transfer: JString, name: JString, files: jint, bytes: jlong, left_out: JString[]
        ) -> JEvent,
        static fn offered(
            transfer: JString, from: JString, standing: JString, name: JString, paths: JString[], sizes: jlong[],
            into: JString, free: jlong, taken: JString[], decision: JString, refusal: JString, code: JString
        ) -> JEvent,
        static fn turned_away(
            transfer: JString, from: JString, name: JString, files: jint, bytes: jlong
        ) -> JEvent,
        static fn started(transfer: JString, bytes: jlong, resumed: jlong) -> JEvent,
        static fn resuming(
            transfer: JString, from: JString, held: jlong, bytes: jlong, lost: jlong, changed: jint
        ) -> JEvent,
        static fn starts_over(transfer: JString, from: JString) -> JEvent,
        static fn suspended(transfer: JString, done: jlong, total: jlong) -> JEvent,
        static fn paused(transfer: JString, paused: jboolean) -> JEvent,
        static fn links_left_out(transfer: JString, links: JString[]) -> JEvent,
        static fn finished(
            transfer: JString, bytes: jlong, resumed: jlong, micros: jlong, lan: jboolean, root: JString,
            paths: JString[]
        ) -> JEvent,
        static fn failed(
            transfer: JString, why: JString, detail: JString, kept: jint, resumable: jboolean
        ) -> JEvent,
        static fn code_ready(id: JString, expires: jlong, left: jint) -> JEvent,
        static fn code_attempt(id: JString, left: jint) -> JEvent,
        static fn code_ended(id: JString, why: JString) -> JEvent,
        static fn code_found(id: JString) -> JEvent,
        static fn code_proven(id: JString, peer: JString, transfer: JString) -> JEvent,
        static fn peers_changed() -> JEvent,
        static fn hidden() -> JEvent,
        static fn records_unusable(detail: JString) -> JEvent,
    },
}

bind_java_type! {
    pub(crate) Native => dev.hither.Native,
    type_map = {
        JContact => dev.hither.Contact,
        JPeer => dev.hither.Peer,
        JStatus => dev.hither.TransferStatus,
        JEvent => dev.hither.Event,
    },
    native_methods_error_policy = Throw,
    native_methods {
        static extern fn canonical_peer_id(typed: JString) -> JString,
        static extern fn open(
            dir: JString, received: JString, network_interface: JString, port: jint, discovery: jboolean,
            worldwide: jboolean, mainline: jboolean, bootstrap: JString[],
            ask_about_contacts: jboolean, ask_about_strangers: jboolean, send_limit: jlong, receive_limit: jlong
        ) -> jlong,
        static extern fn close(node: jlong, grace_millis: jlong),
        static extern fn id(node: jlong) -> JString,
        static extern fn addresses(node: jlong) -> JString[],
        static extern fn add_address(node: jlong, peer: JString, address: JString),
        static extern fn connect(node: jlong, peer: JString),
        static extern fn peers(node: jlong) -> JPeer[],
        static extern fn contacts(node: jlong) -> JContact[],
        static extern fn add_contact(node: jlong, peer: JString, name: JString),
        static extern fn rename_contact(node: jlong, peer: JString, name: JString),
        static extern fn remove_contact(node: jlong, peer: JString),
        static extern fn block_contact(node: jlong, peer: JString, blocked: jboolean),
        static extern fn verify_contact(node: jlong, peer: JString, verified: jboolean),
        static extern fn safety_words(node: jlong, peer: JString) -> JString,
        static extern fn send_message(node: jlong, to: JString, text: JString) -> JString,
        static extern fn offer(node: jlong, to: JString, paths: JString[]) -> JString,
        static extern fn offer_descriptor(node: jlong, to: JString, descriptor: jint, name: JString) -> JString,
        static extern fn accept(
            node: jlong, transfer: JString, into: JString, name: JString, conflict: JString
        ),
        static extern fn accept_descriptor(node: jlong, transfer: JString, descriptor: jint),
        static extern fn refuse(node: jlong, transfer: JString),
        static extern fn pause(node: jlong, transfer: JString),
        static extern fn resume(node: jlong, transfer: JString),
        static extern fn cancel(node: jlong, transfer: JString),
        static extern fn progress(node: jlong, transfer: JString) -> jlong[],
        static extern fn transfers(node: jlong) -> JStatus[],
        static extern fn make_code(
            node: jlong, purpose: JString, paths: JString[], words: jint, seconds: jlong, receivers: jint
        ) -> JString,
        static extern fn code_words(node: jlong, code: JString) -> JString,
        static extern fn enter_code(node: jlong, words: JString, purpose: JString, paths: JString[]) -> JString,
        static extern fn withdraw_code(node: jlong, code: JString),
        static extern fn show_nearby(node: jlong, name: JString, seconds: jlong),
        static extern fn hide(node: jlong),
        static extern fn addresses_changed(node: jlong, addresses: JString[]),
        static extern fn look_around(node: jlong),
        static extern fn next(node: jlong, timeout_millis: jlong) -> JEvent,
    },
}
