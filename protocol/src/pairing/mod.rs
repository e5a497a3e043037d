//! Who is known: contacts, under the names that the user gave them.

mod contacts;

pub(crate) use contacts::Contacts;
