//! What can be typed, and what is said of what cannot.

use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use hither_cli::args::{
    Arguments, Bootstrap, ByCode, Command, ContactsCommand, Content, Destination, Existing, FileName, Global,
    Network, NewCode, Pairing, ParseRateError, Parsed, Peer, Rate, Recipient, RulesCommand, Shell, Size,
    TransfersCommand, completions, parse,
};
use hither_cli::config::{FromContacts, FromStrangers};
use hither_protocol::Limits;
use proptest::prelude::*;

const ID: &str = "hi1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0s5lq4kw";

fn arguments(line: &str) -> Arguments {
    match parse(line.split_whitespace().map(OsString::from)) {
        Ok(Parsed::Run(arguments)) => arguments,
        other => panic!("{line}: {other:?}"),
    }
}

fn command(line: &str) -> Command {
    arguments(line).command
}

fn error(line: &str) -> String {
    match parse(line.split_whitespace().map(OsString::from)) {
        Err(error) => error.text,
        other => panic!("{line}: {other:?}"),
    }
}

fn printed(line: &str) -> String {
    match parse(line.split_whitespace().map(OsString::from)) {
        Ok(Parsed::Print(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

fn contact(name: &str) -> Peer {
    Peer::Contact(name.parse().unwrap())
}

fn to_bob() -> Recipient {
    Recipient::Peer(contact("bob"))
}

fn an_id() -> String {
    use hither_protocol::entropy::{Entropy, Seed};
    use hither_protocol::identity::Identity;
    Identity::generate(&mut Entropy::new(Seed::new([1; 32])).stream("test")).peer_id().to_string()
}

#[test]
fn every_command_and_alias_is_known() {
    assert_eq!(command("id"), Command::Id { qr: false, name: None });
    assert_eq!(command("id --qr"), Command::Id { qr: true, name: None });
    assert_eq!(command("list-peers"), Command::ListPeers { nodes: false });
    assert_eq!(command("peers --nodes"), Command::ListPeers { nodes: true });
    assert_eq!(command("up"), Command::Up { into: None, public: false, visible: None });
    assert_eq!(command("up --public"), Command::Up { into: None, public: true, visible: None });
    assert_eq!(command("doctor"), Command::Doctor);
    assert_eq!(command("demo"), Command::Demo);
    assert_eq!(command("completions fish"), Command::Completions(Shell::Fish));
    for receive in ["receive", "recv", "rx"] {
        assert_eq!(
            command(receive),
            Command::Receive { from: None, by: None, destination: Destination::Here, visible: None }
        );
    }
    for send in ["send", "tx"] {
        let content = Content::Paths { paths: vec!["a".into(), "b".into()], links: false };
        assert_eq!(command(&format!("{send} a b --to bob")), Command::Send { to: to_bob(), content });
    }
    assert_eq!(
        command("msg bob hello there"),
        Command::Msg { to: contact("bob"), text: "hello there".into() }
    );
}

#[test]
fn content_for_many_has_two_commands() {
    use hither_protocol::transfer::{Shared, Ticket, hash::Root};
    let peer = an_id().parse().unwrap();
    let ticket = Ticket::new(Root([1; 32]), Shared::File, 5, peer, &[]);
    assert_eq!(command("share a b"), Command::Share { paths: vec!["a".into(), "b".into()] });
    let get = Command::Get { tickets: vec![ticket.clone()], into: None, stay: false };
    assert_eq!(command(&format!("get {ticket}")), get);
    let get =
        Command::Get { tickets: vec![ticket.clone(), ticket.clone()], into: Some("in".into()), stay: true };
    assert_eq!(command(&format!("get {ticket} {ticket} --stay --into in")), get);
    assert!(error("share").contains("say what to share"));
    assert!(error("get").contains("hither get TICKET"));
    assert!(error(&format!("get {}", an_id())).contains("a peer's id"));
    assert!(error("get hit1qqq").contains("missing"));
}

#[test]
fn contacts_have_commands_of_their_own() {
    let id = an_id();
    assert!(matches!(command("contacts"), Command::Contacts(ContactsCommand::List(_))));
    assert!(matches!(command("contacts list"), Command::Contacts(ContactsCommand::List(_))));
    match command(&format!("contacts add bob {id}")) {
        Command::Contacts(ContactsCommand::Add(add)) => {
            assert_eq!((add.name.as_str(), add.id.to_string()), ("bob", id.clone()));
        }
        other => panic!("{other:?}"),
    }
    match command("contacts rename bob robert --json") {
        Command::Contacts(ContactsCommand::Rename(rename)) => {
            assert_eq!((rename.name.as_str(), rename.new_name.as_str()), ("bob", "robert"));
        }
        other => panic!("{other:?}"),
    }
    match command("contacts trust bob --into d --up-to 1.5GiB") {
        Command::Contacts(ContactsCommand::Trust(trust)) => {
            assert_eq!((trust.name.as_str(), trust.into.to_str()), ("bob", Some("d")));
            assert_eq!(trust.up_to.map(Size::bytes), Some(3 << 29));
        }
        other => panic!("{other:?}"),
    }
    for wrong in ["", "0MB", "5XB", "-1MB", "1e3", "99999999999TB"] {
        assert!(wrong.parse::<Size>().is_err(), "{wrong}");
    }
    assert!(matches!(command("contacts remove bob"), Command::Contacts(ContactsCommand::Remove(_))));
    assert!(matches!(command(&format!("contacts block {id}")), Command::Contacts(ContactsCommand::Block(_))));
    assert!(matches!(command("contacts unblock bob"), Command::Contacts(ContactsCommand::Unblock(_))));
    assert!(error("contacts ad bob").contains("`hither contacts add`"));
}

#[test]
fn flags_of_every_command_stand_before_or_after_it() {
    let expected = Global {
        home: Some(PathBuf::from("/h")),
        json: true,
        quiet: true,
        interface: Some("lo".into()),
        yes: true,
        existing: Some(Existing::Rename),
        port: Some(4242),
        limits: Limits { send: NonZeroU64::new(5_000_000), receive: NonZeroU64::new(5_000_000) },
        network: Network::default(),
    };
    for line in [
        "--home /h --json --quiet --interface lo --yes --rename --port 4242 --limit 5MB/s receive",
        "receive --home /h --json --quiet --interface lo --yes --rename --port 4242 --limit 5M",
        "--home=/h -q receive --interface=lo --json -y --port=4242 --limit=5000K --rename --json",
    ] {
        assert_eq!(arguments(line).global, expected, "{line}");
    }
    assert_eq!(arguments("id").global, Global::default());
}

#[test]
fn how_others_are_found_is_said_by_flags_then_by_the_environment() {
    let line = "msg bob hi --no-mainline --bootstrap 203.0.113.5:4242 --bootstrap=[2001:db8::1]:1 --bootstrap=a.example:7";
    let network = arguments(line).global.network;
    assert_eq!((network.on, network.mainline), (None, Some(false)));
    let shown: Vec<String> = network.bootstrap.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["203.0.113.5:4242", "[2001:db8::1]:1", "a.example:7"]);
    assert!(!arguments("up --no-network").global.network.is_on());
    for flag in ["--bootstrap 203.0.113.5:1", "--public"] {
        assert!(error(&format!("up --no-network {flag}")).contains("exclude each other"), "{flag}");
    }
    for wrong in
        ["203.0.113.5", "203.0.113.5:0", "0.0.0.0:4242", "1.2.3:4", "a b:1", ":1", "a..b:1", "host:99999"]
    {
        assert!(wrong.parse::<Bootstrap>().is_err(), "{wrong}");
        assert!(
            error(&format!("up --bootstrap {}", wrong.replace(' ', "_ "))).contains("node to begin with")
        );
    }
    let environment = |mainline: &'static str, bootstrap: &'static str| {
        Network::of_environment(|name| {
            Some(if name == "HITHER_MAINLINE" { mainline } else { bootstrap }.to_owned())
        })
    };
    let said = environment("off", " 203.0.113.9:1, b.example:2,").unwrap();
    assert_eq!((said.mainline, said.bootstrap.len()), (Some(false), 2));
    assert_eq!(environment("", "").unwrap(), Network::default());
    assert!(environment("no", "").unwrap_err().contains("HITHER_MAINLINE is `on` or `off`"));
    assert!(environment("on", "b.example").unwrap_err().contains("HITHER_BOOTSTRAP"));
    // A flag counts more, for what it says.
    let both = network.clone().or(environment("on", "203.0.113.9:1").unwrap());
    assert_eq!(both, network);
    let both = Network { bootstrap: Vec::new(), ..network }.or(said.clone());
    assert_eq!((both.mainline, both.bootstrap), (Some(false), said.bootstrap));
    // Mainline is on by default, and off where everything is kept to one interface.
    let default = Network::default();
    assert_eq!([false, true].map(|kept| default.asks_mainline(kept)), [true, false]);
    assert!(!Network { on: Some(false), ..default }.asks_mainline(false));
}

#[test]
fn a_value_is_never_taken_for_a_flag_or_a_command() {
    assert_eq!(arguments("--home send id").global.home, Some("send".into()));
    assert_eq!(arguments("--home --json id").global.home, Some("--json".into()));
    assert_eq!(arguments("--home=send id").command, Command::Id { qr: false, name: None });
    assert_eq!(command("--to bob send a"), command("send --to=bob a"));
    assert_eq!(arguments("--home= id").global.home, Some("".into()));
    let file = Destination::File("--json".into());
    assert_eq!(
        command("receive -o --json"),
        Command::Receive { from: None, by: None, destination: file, visible: None }
    );
}

#[test]
fn after_two_dashes_nothing_is_a_flag() {
    let content = Content::Paths { paths: vec!["--json".into(), "-x".into(), "help".into()], links: false };
    assert_eq!(command("send --to bob -- --json -x help"), Command::Send { to: to_bob(), content });
    assert!(!arguments("send --to bob -- --json").global.json);
    assert_eq!(command("msg bob -- --help"), Command::Msg { to: contact("bob"), text: "--help".into() });
    assert_eq!(command("msg bob help"), Command::Msg { to: contact("bob"), text: "help".into() });
}

#[test]
fn destinations_of_receive() {
    let destination = |line: &str| match command(line) {
        Command::Receive { destination, .. } => destination,
        other => panic!("{other:?}"),
    };
    assert_eq!(destination("receive --into d"), Destination::Into("d".into()));
    assert_eq!(destination("receive -o f"), Destination::File("f".into()));
    assert_eq!(destination("receive -o -"), Destination::StandardOutput);
    assert_eq!(destination("receive --output=-"), Destination::StandardOutput);
    assert!(error("receive -o f --into d").contains("exclude each other"));
    let from = format!("{}@127.0.0.1:4242", an_id());
    let expected = Peer::Address(from.parse().unwrap());
    let receive =
        Command::Receive { from: Some(expected), by: None, destination: Destination::Here, visible: None };
    assert_eq!(command(&format!("receive --from {from}")), receive);
}

#[test]
fn contents_of_send() {
    let content = |line: &str| match command(line) {
        Command::Send { content, .. } => content,
        other => panic!("{other:?}"),
    };
    assert_eq!(content("send - --to bob"), Content::StandardInput("stdin".parse().unwrap()));
    assert_eq!(
        content("send --text hello --to bob"),
        Content::Text("hello".into(), "text.txt".parse().unwrap())
    );
    assert!(error("send - a --to bob").contains("goes alone"));
    assert!(error("send --text a b --to bob").contains("exclude each other"));
    assert!(error("send --to bob").contains("say what to send"));
}

#[test]
fn what_is_no_file_has_a_name_all_the_same() {
    let name = || "dir.tar".parse::<FileName>().unwrap();
    let content = |line: &str| match command(line) {
        Command::Send { content, .. } => content,
        other => panic!("{other:?}"),
    };
    assert_eq!(content("send - --name dir.tar --to bob"), Content::StandardInput(name()));
    assert_eq!(content("send --text hi --name=dir.tar --to bob"), Content::Text("hi".into(), name()));
    assert!(error("send a --name dir.tar --to bob").contains("--name is for standard input"));
    for (bad, why) in [
        ("a/b", "names a folder"),
        ("a\\b", "names a folder"),
        ("..", "a folder's"),
        ("a\u{202e}b", "invisible"),
        ("a\u{7}b", "invisible"),
        (&"a".repeat(256), "over 255 bytes"),
    ] {
        let error = error(&format!("send - --to bob --name={bad}"));
        assert!(error.contains(why) && !error.contains(['\u{202e}', '\u{7}']), "{error}");
    }
    assert!("".parse::<FileName>().unwrap_err().to_string().contains("empty"));
}

#[test]
fn limits_are_for_both_ways_unless_one_is_named() {
    let limits = |line: &str| {
        let Limits { send, receive } = arguments(line).global.limits;
        [send, receive].map(|limit| limit.map_or(0, NonZeroU64::get))
    };
    assert_eq!(limits("up"), [0, 0]);
    assert_eq!(limits("up --limit 1MB/s"), [1_000_000, 1_000_000]);
    assert_eq!(limits("up --limit-up 1MB/s"), [1_000_000, 0]);
    assert_eq!(limits("up --limit-down 1MB/s"), [0, 1_000_000]);
    assert_eq!(limits("--limit 1MB/s up --limit-up 20KB/s"), [20_000, 1_000_000]);
}

#[test]
fn rates_are_read_as_they_are_written() {
    for (text, bytes) in [
        ("10000", 10_000),
        ("500KB/s", 500_000),
        ("500kB/s", 500_000),
        ("500 KB/s", 500_000),
        ("5MB/s", 5_000_000),
        ("5M", 5_000_000),
        ("5m", 5_000_000),
        ("5M/s", 5_000_000),
        ("5MBps", 5_000_000),
        ("1.5MiB/s", 1_572_864),
        ("1.5Mi", 1_572_864),
        (".5GB/s", 500_000_000),
        ("2.T", 2_000_000_000_000),
        ("1.0000000000000000001G", 1_000_000_000),
        ("64KiB", 65_536),
    ] {
        assert_eq!(text.parse::<Rate>().map(|rate| rate.bytes().get()), Ok(bytes), "{text}");
    }
    for text in ["", "fast", "MB/s", ".", "-5M", "1.2.3M", "5X", "5MB/h", "5 M B", "1e6", "٥M", "5EB/s"] {
        assert_eq!(text.parse::<Rate>(), Err(ParseRateError::Form), "{text}");
    }
    for text in ["0", "5", "9999", "9.9KB/s"] {
        assert_eq!(text.parse::<Rate>(), Err(ParseRateError::TooLittle), "{text}");
    }
    for text in ["99999999T", "99999999999999999999"] {
        assert_eq!(text.parse::<Rate>(), Err(ParseRateError::TooMuch), "{text}");
    }
    for (text, same) in [
        ("50Mbit/s", "6.25MB/s"),
        ("50Mbps", "6.25MB/s"),
        ("50Mb/s", "6.25MB/s"),
        ("50 mb", "6.25MB/s"),
        ("100Mbits", "12.5MB/s"),
        ("1gbit", "125MB/s"),
        ("800b", "100B/s"),
    ] {
        let error = text.parse::<Rate>().unwrap_err();
        assert_eq!(error, ParseRateError::Bits(Some(same.into())), "{text}");
        assert!(error.to_string().contains(same));
    }
    assert_eq!("Mbit/s".parse::<Rate>(), Err(ParseRateError::Bits(None)));
    for line in ["send a --to bob --limit 5", "up --limit fast", "up --limit-up 5Mbit/s"] {
        assert!(error(line).contains("B/s"), "{}", error(line));
    }
}

#[test]
fn transfers_are_named_by_the_beginning_of_their_id() {
    let Command::Transfers(TransfersCommand::List(_)) = command("transfers") else { panic!() };
    let Command::Transfers(TransfersCommand::Clean(_)) = command("transfers clean --yes") else { panic!() };
    let id = "a7".repeat(16);
    for prefix in ["a", "A7a7", &id] {
        for act in ["pause", "resume", "cancel"] {
            let found = match command(&format!("transfers {act} {prefix}")) {
                Command::Transfers(TransfersCommand::Pause(it)) => it.id,
                Command::Transfers(TransfersCommand::Resume(it)) => it.id,
                Command::Transfers(TransfersCommand::Cancel(it)) => it.id,
                other => panic!("{other:?}"),
            };
            assert!(found.fits(&id) && !found.fits("b7"));
        }
    }
    let long = format!("{id}a");
    for wrong in ["g", "0x7", "film.mkv", "é", &long] {
        let line = format!("transfers pause {wrong}");
        assert!(error(&line).contains("digits that its id begins with"), "{}", error(&line));
    }
    let Command::Transfers(TransfersCommand::Resume(resume)) =
        command("transfers resume a7 --at 127.0.0.1:4242")
    else {
        panic!()
    };
    assert_eq!(resume.at, Some("127.0.0.1:4242".parse().unwrap()));
    assert!(error("transfers resume a7 --at somewhere").contains("--at"));
    assert!(error("transfers paus a7").contains("did you mean `hither transfers pause`?"));
}

#[test]
fn without_a_peer_a_code_is_made() {
    let made = |line: &str| match command(line) {
        Command::Send { to: Recipient::Code(ByCode::New(options)), .. } => options,
        Command::Receive { by: Some(ByCode::New(options)), .. } => options,
        Command::Pair { way: Pairing::Code(ByCode::New(options)), .. } => options,
        other => panic!("{other:?}"),
    };
    let default = NewCode { words: None, expires: Duration::from_secs(3600), receivers: 1 };
    for line in ["send a", "send -", "send --text hello", "receive --new-code", "pair"] {
        assert_eq!(made(line), default, "{line}");
    }
    let expires = Duration::from_secs(1800);
    let options = NewCode { words: Some(5), expires, receivers: 3 };
    assert_eq!(made("send a --words 5 --expire 30m --receivers=3"), options);
    assert_eq!(made("receive --new-code --words 8").words, Some(8));
    // As many as it takes where it can be used, unless a number is given.
    assert_eq!([false, true].map(|wide| default.options(wide).words), [3, 5]);
    assert_eq!(made("pair --words 3").options(true).words, 3);
    for (line, says) in [
        ("send a --words 2", "3 to 8 words"),
        ("send a --words 9", "3 to 8 words"),
        ("send a --receivers 0", "for nobody"),
        ("send a --expire 25h", "of a day at most"),
        ("send a --expire soon", "10m"),
        ("receive --words 4", "--new-code"),
        ("send a --to bob --words 4", "leave out --to"),
        ("send a --code zoo-zoo-zoo --expire 2h", "leave out --code"),
        ("pair zoo zoo zoo --words 4", "leave out the code"),
        ("send - --receivers 2", "can be read once"),
    ] {
        assert!(error(line).contains(says), "{line}: {}", error(line));
    }
}

#[test]
fn a_code_is_typed_with_spaces_or_dashes_and_in_short() {
    let typed = |line: &str| match command(line) {
        Command::Receive { by: Some(ByCode::Typed(code)), .. } => code.code().text().to_string(),
        Command::Send { to: Recipient::Code(ByCode::Typed(code)), .. } => code.code().text().to_string(),
        Command::Pair { way: Pairing::Code(ByCode::Typed(code)), .. } => code.code().text().to_string(),
        other => panic!("{other:?}"),
    };
    for line in [
        "receive abandon-zebra-zoo",
        "receive abandon zebra zoo",
        "rx ABAN zebr-zoo --into d",
        "receive hither:c/abandon-zebra-zoo",
        "send a --code HITHER:C/ABANDON-ZEBRA-ZOO",
        "pair abandon zebra zoo --name bob",
    ] {
        assert_eq!(typed(line), "abandon-zebra-zoo", "{line}");
    }
    for (line, says) in [
        ("receive abandon-zebra", "at least 3 words"),
        ("receive abandon-zebta-zoo", "word 2 is not one that codes are made of; did you mean \"zebra\"?"),
        ("receive abandon-zebra-zoo --new-code", "exclude each other"),
        ("send a --to bob --code abandon-zebra-zoo", "exclude each other"),
        ("pair abandon-zebra-zoo --qr", "exclude each other"),
        ("pair --qr --scan a.png", "exclude each other"),
    ] {
        assert!(error(line).contains(says), "{line}: {}", error(line));
        assert!(!error(line).contains("abandon"), "{line}");
    }
    // What programs read, they keep.
    assert!(!error("--json receive abandon-zebta-zoo").contains("zebra"));
    let shown = format!("{:?}", command("receive abandon-zebra-zoo"));
    assert!(!shown.contains("zebra"), "{shown}");
}

#[test]
fn what_to_do_with_existing_files_is_one_thing() {
    assert_eq!(arguments("receive --overwrite").global.existing, Some(Existing::Overwrite));
    assert_eq!(arguments("--skip receive").global.existing, Some(Existing::Skip));
    assert_eq!(arguments("receive --yes").global.existing, None);
    for two in ["--overwrite --rename", "--rename --skip", "--overwrite --rename --skip"] {
        assert!(error(&format!("receive {two}")).contains("exclude each other"));
    }
}

#[test]
fn the_nearest_command_or_flag_is_suggested() {
    for (typed, meant) in [
        ("sned", "send"),
        ("recieve", "receive"),
        ("contact", "contacts"),
        ("peer", "peers"),
        ("compl", "completions"),
    ] {
        let error = error(typed);
        assert!(error.contains(&format!("did you mean `hither {meant}`?")), "{error}");
    }
    assert!(!error("frobnicate").contains("did you mean"));
    assert!(error("id --jsn").contains("did you mean --json?"));
    assert!(error("receive --int d").contains("did you mean --int"));
    assert!(error("send a --to bob --qr").contains("there is no flag --qr"));
    assert!(error("--hom x id").contains("did you mean --home?"));
    assert!(error("--frm x").contains("there is no flag --frm"));
}

#[test]
fn errors_say_where_help_is() {
    for line in
        ["", "--json", "sned", "send", "msg", "msg bob", "completions", "completions tcsh", "contacts add"]
    {
        let text = error(line);
        assert!(text.contains("For help: hither"), "{line}: {text}");
        assert!(!text.contains('\u{1b}'));
    }
    assert!(error("send a --to").contains("--to needs a value"));
    assert!(error("id --json=yes").contains("takes no value"));
    assert!(error("id --port 70000").contains("--port"));
    assert!(error("id extra").contains("extra"));
}

#[test]
fn a_mistyped_id_is_located() {
    let id = an_id();
    let mut typo = id.clone();
    let wrong = if typo.ends_with('q') { "p" } else { "q" };
    typo.replace_range(60.., wrong);
    assert!(
        error(&format!("send a --to {typo}")).contains("character 61"),
        "{}",
        error(&format!("send a --to {typo}"))
    );
    assert!(error(&format!("send a --to {id}@127.0.0.1")).contains("port is missing"));
    assert!(error("send a --to bob@127.0.0.1:1").contains("hi1"));
    assert!(error(&format!("contacts add hi1bob {id}")).contains("cannot start like an id"));
    assert!(error(&format!("send a --to {ID}")).contains("mistyped"));
}

#[test]
fn names_of_contacts_are_plain() {
    for bad in ["-bob", "#bob", "bob\u{202e}", "b@b", "", " bob", &"b".repeat(65)] {
        assert!(bad.parse::<hither_cli::args::ContactName>().is_err(), "{bad}");
    }
    for good in ["bob", "Bob's phone", "Zoë", "日本"] {
        assert_eq!(good.parse::<hither_cli::args::ContactName>().unwrap().as_str(), good);
    }
}

#[test]
fn help_and_version_are_printed_wherever_they_stand() {
    for line in ["--version", "-V", "id --version"] {
        assert_eq!(printed(line), format!("hither {}\n", env!("CARGO_PKG_VERSION")));
    }
    for line in ["--help", "-h", "help"] {
        let text = printed(line);
        for word in ["send", "receive", "--home", "--json", "list-peers", "completions", "transfers"] {
            assert!(text.contains(word), "{line}: {word}: {text}");
        }
    }
    for line in ["send --help", "help send", "--help tx", "send a --to bob -h", "send help"] {
        let text = printed(line);
        assert!(text.starts_with("Usage: hither send") && text.contains("--to"), "{line}: {text}");
    }
    assert!(printed("contacts add --help").starts_with("Usage: hither contacts add"));
}

#[test]
fn completions_know_the_commands() {
    for shell in [Shell::Bash, Shell::Fish, Shell::Nushell, Shell::Zsh] {
        let script = completions(shell);
        assert!(script.contains("list-peers") && script.contains("interface"), "{shell:?}");
    }
}

#[test]
fn what_was_typed_is_quoted_inert() {
    for line in ["id a\u{1b}[2J", "\u{1b}[2J", "--\u{1b}[2J", "--port \u{202e} id", "send a --to hi1\u{1b}"] {
        let text = error(line);
        assert!(text.lines().all(|line| !line.chars().any(hither_cli::inert::is_hostile)), "{text:?}");
    }
}

#[test]
fn json_is_noticed_though_the_rest_is_wrong() {
    let json = |line: &str| parse(line.split_whitespace().map(OsString::from)).unwrap_err().json;
    assert!(json("sned --json"));
    assert!(!json("sned"));
    assert!(!json("sned -- --json"));
}

#[cfg(unix)]
#[test]
fn what_is_not_utf_8_is_refused_in_words() {
    use std::os::unix::ffi::OsStringExt;
    let error = parse(["send".into(), OsString::from_vec(vec![0xff])]).unwrap_err();
    assert!(error.text.contains("not UTF-8"));
}

proptest! {
    #[test]
    fn any_words_are_answered(words in prop::collection::vec("(send|receive|contacts|add|--to|--json|--|-o|help|-|--home=x|[ -~]{0,6})", 0..8)) {
        if let Err(error) = parse(words.into_iter().map(OsString::from)) {
            prop_assert!(!error.text.is_empty());
        }
    }

    #[test]
    fn any_text_is_a_rate_or_is_answered(text in "[0-9.]{0,24}[ kKmMgGtTiIbBps/x]{0,6}") {
        match text.parse::<Rate>() {
            Ok(rate) => prop_assert!(rate.bytes().get() >= Rate::LEAST),
            Err(error) => prop_assert!(error.to_string().contains("bytes")),
        }
    }
}

#[test]
fn to_be_visible_takes_a_time_or_none() {
    let visible = |line: &str| match command(line) {
        Command::Up { visible, .. } | Command::Receive { visible, .. } => {
            visible.map(|span| span.duration().as_secs())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(visible("up"), None);
    assert_eq!(visible("up --visible"), Some(600));
    assert_eq!(visible("up --visible 90s --into d"), Some(90));
    assert_eq!(visible("up --visible --into d"), Some(600));
    assert_eq!(visible("--visible=2h up"), Some(7200));
    assert_eq!(visible("--visible receive --yes"), Some(600));
    assert_eq!(visible("--visible 10m receive --yes"), Some(600));
    for wrong in ["10", "10x", "0s", "25h", "99999999999999999999h"] {
        assert!(error(&format!("up --visible {wrong}")).contains("a time is a number"), "{wrong}");
    }
    // What is no time is what comes next: here a code.
    assert_eq!(visible("receive --visible abandon-zoo-monkey"), Some(600));
    assert!(error("send a --to bob --visible").contains("there is no flag --visible"));
}

#[test]
fn rules_are_shown_or_set() {
    assert!(matches!(command("rules"), Command::Rules(RulesCommand::Show(_))));
    match command("rules strangers refuse") {
        Command::Rules(RulesCommand::Strangers(set)) => assert_eq!(set.rule, FromStrangers::Refuse),
        other => panic!("{other:?}"),
    }
    match command("rules contacts accept") {
        Command::Rules(RulesCommand::Contacts(set)) => assert_eq!(set.rule, FromContacts::Accept),
        other => panic!("{other:?}"),
    }
    assert!(error("rules strangers accept").contains("`ask` or `refuse`"));
    assert!(error("rules contacts refuse").contains("`ask` or `accept`"));
    assert!(error("rules stranger").contains("did you mean `hither rules strangers`?"));
    match command("id --name laptop") {
        Command::Id { name, .. } => assert_eq!(name.unwrap().as_str(), "laptop"),
        other => panic!("{other:?}"),
    }
    assert!(error("id --name=").contains("a name has 1 to 64 bytes"));
    assert!(error("id --name a\u{202e}b").contains("a name cannot hold"));
}
