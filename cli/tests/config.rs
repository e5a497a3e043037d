//! The configuration file: what it says, and what is said of one that is damaged.

mod support;

use hither_cli::config::{Config, FromContacts, FromStrangers, Setting, changed};
use proptest::prelude::*;
use support::Node;

const WHOLE: &str = r#"# mine
name = "Anna's laptop"  # on the kitchen table
visible = "10m"
interface = "lo"
mainline = false
bootstrap = ["203.0.113.5:4242", "home.example:4242"]

[limits]
both = "5MB/s"
up = "500KB/s"

[rules]
contacts = "accept" # all of them
"#;

fn wrong(text: &str) -> (usize, String) {
    let wrong = Config::parse(text).unwrap_err();
    (wrong.line, wrong.text)
}

#[test]
fn everything_can_be_said_and_nothing_must_be() {
    assert_eq!(Config::parse(""), Ok(Config::default()));
    let config = Config::parse(WHOLE).unwrap();
    assert_eq!(config.name.unwrap().as_str(), "Anna's laptop");
    assert_eq!(config.visible.unwrap().duration().as_secs(), 600);
    assert_eq!(config.interface.as_deref(), Some("lo"));
    assert_eq!((config.network.on, config.network.mainline), (None, Some(false)));
    let bootstrap: Vec<String> = config.network.bootstrap.iter().map(ToString::to_string).collect();
    assert_eq!(bootstrap, ["203.0.113.5:4242", "home.example:4242"]);
    assert!(!Config::parse("network = false").unwrap().network.is_on());
    assert_eq!(config.limits.send.unwrap().get(), 500_000);
    assert_eq!(config.limits.receive.unwrap().get(), 5_000_000);
    assert_eq!(config.rules.contacts, FromContacts::Accept);
    assert_eq!(config.rules.strangers, FromStrangers::Ask);
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (text, line, says) in [
        ("nmae = \"x\"", 1, "there is no `nmae`: did you mean `name`?"),
        (
            "# one\n\n[rules]\nstranger = \"ask\"",
            4,
            "there is no `stranger` in [rules]: did you mean `strangers`?",
        ),
        ("[rules]\n\nx = 1", 3, "there are `strangers`, `contacts`"),
        ("[rulez]\nx = 1", 1, "did you mean `rules`?"),
        ("[rules]\nstrangers = \"maybe\"", 2, "the rule is `ask` or `refuse`"),
        ("[rules]\ncontacts = true", 2, "a text in quotation marks"),
        ("rules = \"ask\"", 1, "must be a table"),
        ("name = \"a\"\nname = \"b\"", 2, "duplicate"),
        ("\nname = \"a\\u0000\"", 2, "a name cannot hold"),
        ("visible = \"soon\"", 1, "a time is a number"),
        ("[limits]\nup = \"5Mbit\"", 2, "in bytes"),
        ("\nmainline = \"off\"", 2, "`true` or `false`"),
        ("network = 1", 1, "`true` or `false`"),
        ("bootstrap = \"203.0.113.5:4242\"", 1, "a list of texts"),
        ("bootstrap = [\n  \"203.0.113.5:4242\",\n  \"203.0.113.5\",\n]", 3, "an address and a port"),
        ("bootstrap = [\n  4242,\n]", 2, "a list of texts"),
        ("bootsrap = []", 1, "did you mean `bootstrap`?"),
        ("name = \"a", 1, ""),
        ("\n\n=", 3, ""),
    ] {
        let (found, said) = wrong(text);
        assert_eq!(found, line, "{text}: {said}");
        assert!(said.contains(says), "{text}: {said}");
    }
}

#[test]
fn a_change_touches_nothing_else() {
    let refuse = changed(WHOLE, &Setting::Strangers(FromStrangers::Refuse)).unwrap();
    assert_eq!(refuse, format!("{WHOLE}strangers = \"refuse\"\n"));
    let ask = changed(WHOLE, &Setting::Contacts(FromContacts::Ask)).unwrap();
    assert_eq!(ask, WHOLE.replace("\"accept\"", "\"ask\""));
    let new = changed("", &Setting::Contacts(FromContacts::Accept)).unwrap();
    assert_eq!(Config::parse(&new).unwrap().rules.contacts, FromContacts::Accept);
    assert!(
        changed("x = 1", &Setting::Contacts(FromContacts::Ask)).is_err(),
        "it does not mend what it cannot read"
    );
}

#[test]
fn with_a_damaged_file_nothing_runs() {
    let node = Node::new();
    node.file("home/config.toml", "[rules]\nstranger = \"ask\"\n");
    for command in [&["contacts"][..], &["id"], &["up"], &["rules", "strangers", "ask"], &["list-peers"]] {
        let ended = node.run(command);
        ended.expect_error(2, "config.toml, line 2: there is no `stranger` in [rules]");
        ended.expect_error(2, "Nothing was done");
    }
    assert!(!node.path("home/key").exists());
}

#[test]
fn a_name_is_kept_and_shown() {
    let node = Node::new();
    node.run(&["id", "--name", "Anna's laptop"]).expect(0);
    let said = node.command(&["id"]).output().unwrap();
    assert!(String::from_utf8(said.stderr).unwrap().contains("\u{201c}Anna's laptop\u{201d}"));
    let text = std::fs::read_to_string(node.path("home/config.toml")).unwrap();
    assert_eq!(Config::parse(&text).unwrap().name.unwrap().as_str(), "Anna's laptop");
}

proptest! {
    #[test]
    fn any_text_is_read_or_answered(text in "(?s).{0,200}") {
        let _ = Config::parse(&text);
    }

    #[test]
    fn any_keys_are_read_or_answered(
        lines in prop::collection::vec(("(name|rules|limits|visible|x)", r#"("ask"|1|true|\[\]|\{\}|\{ up = "1MB" \})"#), 0..4)
    ) {
        let text: String = lines.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        let set = Setting::Contacts(FromContacts::Accept);
        if let Ok(before) = Config::parse(&text) {
            let after = Config::parse(&changed(&text, &set).unwrap()).unwrap();
            prop_assert_eq!(after.rules.contacts, FromContacts::Accept);
            prop_assert_eq!((after.name, after.limits), (before.name, before.limits));
        }
    }
}
