//! Every function that Java calls. Each parses what it is given, asks the node, and makes Java's values of the answer.

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use hither_protocol::identity::PeerAddress;
use hither_protocol::{
    Code, CodeFor, CodeOptions, Config, Contact, EnterFor, FromContacts, Limits, OpenName, PeerView, Rules,
    Strangers, TransferState, TransferView, WideConfig, safety_words,
};
use hither_runtime_smol::mainline::MainlineSettings;
use hither_runtime_smol::{Options, has_aes, max_datagram};
use jni::Env;
use jni::objects::{JClass, JLongArray, JObjectArray, JString};
use jni::refs::Reference;
use jni::sys::{jboolean, jint, jlong};

use crate::arguments;
use crate::descriptor::Given;
use crate::failure::{Failure, Reason};
use crate::home::Home;
use crate::java::{FromNative, JContact, JEvent, JPeer, JStatus, NativeAPI, NativeNativeInterface};
use crate::registry;
use crate::session::{self, Session, Taking};
use crate::told;

type Texts<'local> = JObjectArray<'local, JString<'local>>;

/// References that an event, a contact, a peer or a transfer needs at most, those of its lists' elements left out.
const REFERENCES: usize = 32;

impl NativeNativeInterface for NativeAPI {
    type Error = Failure;

    fn canonical_peer_id<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        typed: JString<'local>,
    ) -> Result<JString<'local>, Failure> {
        let id = arguments::peer(env, &typed)?;
        Ok(env.new_string(id.to_string())?)
    }

    fn open<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        dir: JString<'local>,
        received: JString<'local>,
        network_interface: JString<'local>,
        port: jint,
        discovery: jboolean,
        worldwide: jboolean,
        mainline: jboolean,
        bootstrap: JObjectArray<'local, JString<'local>>,
        ask_about_contacts: jboolean,
        ask_about_strangers: jboolean,
        send_limit: jlong,
        receive_limit: jlong,
    ) -> Result<jlong, Failure> {
        let (dir, received) = (arguments::path(env, &dir)?, arguments::optional_path(env, &received)?);
        let interface = arguments::optional_name(env, &network_interface)?;
        let port = u16::try_from(port)
            .map_err(|_| Failure::new(Reason::InvalidArgument, format!("{port} is no UDP port")))?;
        let limits = Limits { send: limit(send_limit)?, receive: limit(receive_limit)? };
        let bootstrap = arguments::addresses(env, &bootstrap)?;
        let wide = worldwide.then_some(WideConfig { publish: true, public: false, mainline, bootstrap });
        let home = Home::open(dir)?;
        let rules = Rules {
            into: Some(session::folder(&home, received)?),
            attended: true,
            contacts: if ask_about_contacts { FromContacts::Ask } else { FromContacts::Accept },
            strangers: if ask_about_strangers { Strangers::Ask } else { Strangers::Refuse },
            ..Rules::default()
        };
        let config = Config {
            aes: has_aes(),
            max_datagram: max_datagram(interface.as_deref()),
            rules,
            limits,
            wide,
            ..Config::default()
        };
        let options = Options {
            home: home.records(),
            interface,
            port,
            discovery: discovery.then_some(Duration::ZERO),
            mainline: config.wide.as_ref().is_some_and(|it| it.mainline).then(MainlineSettings::default),
            config,
        };
        Ok(registry::insert(Session::open(home, options)?))
    }

    fn close<'local>(
        _: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        grace_millis: jlong,
    ) -> Result<(), Failure> {
        if let Some(session) = registry::remove(node) {
            session.close(Duration::from_millis(u64::try_from(grace_millis).unwrap_or(0)));
        }
        Ok(())
    }

    fn id<'local>(env: &mut Env<'local>, _: JClass<'local>, node: jlong) -> Result<JString<'local>, Failure> {
        let me = registry::get(node)?.me();
        Ok(env.new_string(me.to_string())?)
    }

    fn addresses<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
    ) -> Result<Texts<'local>, Failure> {
        let addresses = registry::get(node)?.addresses()?;
        told::texts(env, addresses.len(), addresses.iter().map(ToString::to_string))
    }

    fn add_address<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        peer: JString<'local>,
        address: JString<'local>,
    ) -> Result<(), Failure> {
        let (peer, address) = (arguments::peer(env, &peer)?, arguments::id_text(env, &address)?);
        // Parsed together, by the rules for what people type.
        let PeerAddress { peer, address } = format!("{peer}@{address}").parse()?;
        let node = registry::get(node)?;
        match address {
            Some(address) => node.ask(move |node, now| node.add_address(now, peer, address)),
            None => Ok(()),
        }
    }

    fn connect<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        peer: JString<'local>,
    ) -> Result<(), Failure> {
        let peer = arguments::peer(env, &peer)?;
        registry::get(node)?.ask(move |node, now| node.connect(now, peer))
    }

    fn peers<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
    ) -> Result<JObjectArray<'local, JPeer<'local>>, Failure> {
        let peers = registry::get(node)?.ask(|node, _| node.peers())?;
        let array = JObjectArray::<JPeer<'_>>::new(env, peers.len(), JPeer::null())?;
        for (index, view) in peers.iter().enumerate() {
            env.with_local_frame(REFERENCES, |env| -> Result<(), Failure> {
                let made = peer(env, view)?;
                Ok(array.set_element(env, index, &made)?)
            })?;
        }
        Ok(array)
    }

    fn contacts<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
    ) -> Result<JObjectArray<'local, JContact<'local>>, Failure> {
        let contacts = registry::get(node)?.ask(|node, _| node.contacts())?;
        let array = JObjectArray::<JContact<'_>>::new(env, contacts.len(), JContact::null())?;
        for (index, view) in contacts.iter().enumerate() {
            env.with_local_frame(REFERENCES, |env| -> Result<(), Failure> {
                let made = contact(env, view)?;
                Ok(array.set_element(env, index, &made)?)
            })?;
        }
        Ok(array)
    }

    fn add_contact<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        peer: JString<'local>,
        name: JString<'local>,
    ) -> Result<(), Failure> {
        let (peer, name) = (arguments::peer(env, &peer)?, arguments::name(env, &name)?);
        Ok(registry::get(node)?.ask(move |node, now| node.add_contact(now, peer, &name))??)
    }

    fn rename_contact<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        peer: JString<'local>,
        name: JString<'local>,
    ) -> Result<(), Failure> {
        let (peer, name) = (arguments::peer(env, &peer)?, arguments::name(env, &name)?);
        let renamed = registry::get(node)?.ask(move |node, now| {
            let known = node.contacts().iter().any(|contact| contact.peer == peer);
            known.then(|| node.add_contact(now, peer, &name))
        })?;
        match renamed {
            Some(renamed) => Ok(renamed?),
            None => Err(Failure::new(Reason::UnknownContact, "there is no such contact")),
        }
    }

    fn remove_contact<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        peer: JString<'local>,
    ) -> Result<(), Failure> {
        let peer = arguments::peer(env, &peer)?;
        Ok(registry::get(node)?.ask(move |node, now| node.remove_contact(now, peer))??)
    }

    fn block_contact<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        peer: JString<'local>,
        blocked: jboolean,
    ) -> Result<(), Failure> {
        let peer = arguments::peer(env, &peer)?;
        Ok(registry::get(node)?.ask(move |node, now| node.block_contact(now, peer, blocked))??)
    }

    fn verify_contact<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        peer: JString<'local>,
        verified: jboolean,
    ) -> Result<(), Failure> {
        let peer = arguments::peer(env, &peer)?;
        Ok(registry::get(node)?.ask(move |node, now| node.verify_contact(now, peer, verified))??)
    }

    fn safety_words<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        peer: JString<'local>,
    ) -> Result<JString<'local>, Failure> {
        let (peer, me) = (arguments::peer(env, &peer)?, registry::get(node)?.me());
        Ok(env.new_string(safety_words(&me, &peer).join(" "))?)
    }

    fn send_message<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        to: JString<'local>,
        text: JString<'local>,
    ) -> Result<JString<'local>, Failure> {
        let (to, text) = (arguments::peer(env, &to)?, arguments::message(env, &text)?);
        let sent = registry::get(node)?.ask(move |node, now| node.send_message(now, to, &text))??;
        Ok(env.new_string(sent.to_string())?)
    }

    fn offer<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        to: JString<'local>,
        paths: Texts<'local>,
    ) -> Result<JString<'local>, Failure> {
        let (to, paths) = (arguments::peer(env, &to)?, arguments::paths(env, &paths)?);
        let transfer = registry::get(node)?.ask(move |node, now| node.offer(now, to, paths))??;
        Ok(env.new_string(transfer.to_string())?)
    }

    fn offer_descriptor<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        to: JString<'local>,
        descriptor: jint,
        name: JString<'local>,
    ) -> Result<JString<'local>, Failure> {
        let (to, name) = (arguments::peer(env, &to)?, arguments::name(env, &name)?);
        let node = registry::get(node)?;
        let transfer = node.offer_lent(to, Given::new(descriptor)?, &name)?;
        Ok(env.new_string(transfer.to_string())?)
    }

    fn accept<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        transfer: JString<'local>,
        into: JString<'local>,
        name: JString<'local>,
        conflict: JString<'local>,
    ) -> Result<(), Failure> {
        let transfer = arguments::transfer(env, &transfer)?;
        let (into, name) = (arguments::optional_path(env, &into)?, arguments::optional_name(env, &name)?);
        let conflict = arguments::conflict(env, &conflict)?;
        registry::get(node)?.accept(transfer, Taking { into, name, conflict })
    }

    fn accept_descriptor<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        transfer: JString<'local>,
        descriptor: jint,
    ) -> Result<(), Failure> {
        let transfer = arguments::transfer(env, &transfer)?;
        registry::get(node)?.accept_into(transfer, Given::new(descriptor)?)
    }

    fn refuse<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        transfer: JString<'local>,
    ) -> Result<(), Failure> {
        let transfer = arguments::transfer(env, &transfer)?;
        registry::get(node)?.refuse(transfer)
    }

    fn pause<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        transfer: JString<'local>,
    ) -> Result<(), Failure> {
        let transfer = arguments::transfer(env, &transfer)?;
        Ok(registry::get(node)?.ask(move |node, now| node.pause(now, transfer))??)
    }

    fn resume<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        transfer: JString<'local>,
    ) -> Result<(), Failure> {
        let transfer = arguments::transfer(env, &transfer)?;
        Ok(registry::get(node)?.ask(move |node, now| node.resume(now, transfer))??)
    }

    fn cancel<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        transfer: JString<'local>,
    ) -> Result<(), Failure> {
        let transfer = arguments::transfer(env, &transfer)?;
        registry::get(node)?.cancel(transfer)
    }

    fn progress<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        transfer: JString<'local>,
    ) -> Result<JLongArray<'local>, Failure> {
        let transfer = arguments::transfer(env, &transfer)?;
        let Some(progress) = registry::get(node)?.ask(move |node, _| node.progress(transfer))? else {
            return Ok(JLongArray::null());
        };
        let array = JLongArray::new(env, 2)?;
        array.set_region(env, 0, &[told::long(progress.done), told::long(progress.total)])?;
        Ok(array)
    }

    fn transfers<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
    ) -> Result<JObjectArray<'local, JStatus<'local>>, Failure> {
        let transfers = registry::get(node)?.ask(|node, _| node.transfers())?;
        let array = JObjectArray::<JStatus<'_>>::new(env, transfers.len(), JStatus::null())?;
        for (index, view) in transfers.iter().enumerate() {
            env.with_local_frame(REFERENCES, |env| -> Result<(), Failure> {
                let made = status(env, view)?;
                Ok(array.set_element(env, index, &made)?)
            })?;
        }
        Ok(array)
    }

    fn make_code<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        purpose: JString<'local>,
        paths: Texts<'local>,
        words: jint,
        seconds: jlong,
        receivers: jint,
    ) -> Result<JString<'local>, Failure> {
        let (purpose, paths) = (arguments::name(env, &purpose)?, arguments::paths(env, &paths)?);
        let purpose = match purpose.as_str() {
            "SEND" => CodeFor::Send { paths },
            "RECEIVE" => CodeFor::Receive,
            "PAIR" => CodeFor::Pair,
            other => return Err(no_purpose(other)),
        };
        // What does not fit is refused with what makes no sense.
        let options = CodeOptions {
            words: u8::try_from(words).unwrap_or(0),
            expires: Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
            receivers: u16::try_from(receivers).unwrap_or(0),
        };
        let code = registry::get(node)?.ask(move |node, now| node.make_code(now, purpose, options))??;
        Ok(env.new_string(code.to_string())?)
    }

    fn code_words<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        code: JString<'local>,
    ) -> Result<JString<'local>, Failure> {
        let code = arguments::code(env, &code)?;
        let words = registry::get(node)?.ask(move |node, _| node.code(code))?;
        told::optional(env, words.as_ref().map(|words| words.as_str()))
    }

    fn enter_code<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        words: JString<'local>,
        purpose: JString<'local>,
        paths: Texts<'local>,
    ) -> Result<JString<'local>, Failure> {
        let code = Code::parse(&arguments::name(env, &words)?)?;
        let (purpose, paths) = (arguments::name(env, &purpose)?, arguments::paths(env, &paths)?);
        let purpose = match purpose.as_str() {
            "SEND" => EnterFor::Send { paths },
            "RECEIVE" => EnterFor::Receive,
            "PAIR" => EnterFor::Pair,
            other => return Err(no_purpose(other)),
        };
        let code = registry::get(node)?.ask(move |node, now| node.enter_code(now, code, purpose))??;
        Ok(env.new_string(code.to_string())?)
    }

    fn withdraw_code<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        code: JString<'local>,
    ) -> Result<(), Failure> {
        let code = arguments::code(env, &code)?;
        registry::get(node)?.ask(move |node, now| node.withdraw_code(now, code))
    }

    fn show_nearby<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        name: JString<'local>,
        seconds: jlong,
    ) -> Result<(), Failure> {
        let name = OpenName::new(&arguments::name(env, &name)?)
            .map_err(|error| Failure::new(Reason::InvalidName, error.to_string()))?;
        let lasts = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        registry::get(node)?.ask(move |node, now| node.show_openly(now, name, lasts))
    }

    fn hide<'local>(_: &mut Env<'local>, _: JClass<'local>, node: jlong) -> Result<(), Failure> {
        registry::get(node)?.ask(|node, now| node.hide(now))
    }

    fn addresses_changed<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        addresses: Texts<'local>,
    ) -> Result<(), Failure> {
        let addresses = arguments::ids(env, &addresses)?;
        let parsed: Result<Vec<IpAddr>, Failure> = addresses
            .iter()
            .map(|text| text.parse().map_err(|_| Failure::new(Reason::InvalidArgument, "no IP address")))
            .collect();
        registry::get(node)?.set_addresses(&parsed?)
    }

    fn look_around<'local>(_: &mut Env<'local>, _: JClass<'local>, node: jlong) -> Result<(), Failure> {
        registry::get(node)?.look_around()
    }

    fn next<'local>(
        env: &mut Env<'local>,
        _: JClass<'local>,
        node: jlong,
        timeout_millis: jlong,
    ) -> Result<JEvent<'local>, Failure> {
        let node = registry::get(node)?;
        let timeout = u64::try_from(timeout_millis).ok().map(Duration::from_millis);
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        while let Some(event) = node.next(deadline)? {
            let told = env.with_local_frame_returning_local::<_, JEvent<'_>, Failure>(REFERENCES, |env| {
                Ok(told::event(env, &event)?.unwrap_or_default())
            })?;
            if !told.is_null() {
                return Ok(told);
            }
        }
        Ok(JEvent::null())
    }
}

fn limit(bytes: jlong) -> Result<Option<NonZeroU64>, Failure> {
    let bytes = u64::try_from(bytes)
        .map_err(|_| Failure::new(Reason::InvalidArgument, "a limit in bytes a second is not negative"))?;
    Ok(NonZeroU64::new(bytes))
}

fn no_purpose(text: &str) -> Failure {
    Failure::new(Reason::InvalidArgument, format!("{text:?} is no purpose of a code"))
}

fn contact<'local>(env: &mut Env<'local>, contact: &Contact) -> Result<JContact<'local>, Failure> {
    let (peer, name) = (env.new_string(contact.peer.to_string())?, env.new_string(&contact.name)?);
    Ok(FromNative::contact(env, &peer, &name, contact.blocked, contact.verified)?)
}

fn peer<'local>(env: &mut Env<'local>, peer: &PeerView) -> Result<JPeer<'local>, Failure> {
    let id = told::optional(env, peer.peer.map(|peer| peer.to_string()).as_deref())?;
    let name = told::optional(env, peer.name.as_deref())?;
    let calls_itself = told::optional(env, peer.calls_itself.as_ref().map(OpenName::as_str))?;
    let at = told::texts(env, peer.addresses.len(), peer.addresses.iter().map(ToString::to_string))?;
    let round_trip = peer.round_trip.map_or(-1, told::micros);
    Ok(FromNative::peer(env, &id, &name, &calls_itself, peer.connected, peer.near, &at, round_trip)?)
}

fn status<'local>(env: &mut Env<'local>, view: &TransferView) -> Result<JStatus<'local>, Failure> {
    let (transfer, peer) =
        (env.new_string(view.transfer.to_string())?, env.new_string(view.peer.to_string())?);
    let (name, state) = (env.new_string(&view.name)?, env.new_string(state(view.state))?);
    let paths = told::paths(env, &view.paths)?;
    let (files, bytes, done) = (told::int(view.files), told::long(view.bytes), told::long(view.done));
    let begun = told::long(view.begun);
    let sending = view.sending;
    Ok(FromNative::status(env, &transfer, &peer, sending, &name, files, bytes, done, begun, &state, &paths)?)
}

fn state(state: TransferState) -> &'static str {
    match state {
        TransferState::Active => "ACTIVE",
        TransferState::Paused => "PAUSED",
        TransferState::Waiting => "WAITING",
        TransferState::Interrupted => "INTERRUPTED",
    }
}
