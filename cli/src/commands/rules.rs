//! `hither rules`: shows and sets what becomes of offers.

use crate::args::RulesCommand;
use crate::config::{Config, Setting};
use crate::exit::Failure;
use crate::home::Home;
use crate::screen::{Event, Screen};

pub(super) fn run(
    home: &Home,
    config: &Config,
    command: &RulesCommand,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let mut rules = config.rules;
    let setting = match command {
        RulesCommand::Show(_) => None,
        RulesCommand::Strangers(strangers) => {
            rules.strangers = strangers.rule;
            Some(Setting::Strangers(strangers.rule))
        }
        RulesCommand::Contacts(contacts) => {
            rules.contacts = contacts.rule;
            Some(Setting::Contacts(contacts.rule))
        }
    };
    if let Some(setting) = &setting {
        Config::set(&home.config_file(), setting)?;
    }
    screen.event(&Event::Rules(rules))?;
    if setting.is_some() {
        screen.note("A hither that is running now keeps to the rules it began with.")?;
    }
    Ok(())
}
