//! Answers, whole and damaged.

use super::*;

/// An answer to question 7 with one instance, as responders write it: with pointers.
fn answer() -> Vec<u8> {
    let mut message = question(7);
    // It is an answer, with one record and three more.
    message[2] = 0x84;
    message[7] = 1;
    message[11] = 3;
    let service = 12_u8;
    let record = |message: &mut Vec<u8>, name: &[u8], kind: u16, data: &[u8]| {
        message.extend_from_slice(name);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 10]);
        message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        message.extend_from_slice(data);
    };
    let instance = [&[2, b'x', b'y', 0xc0, service][..]].concat();
    record(&mut message, &[0xc0, service], PTR, &instance);
    let host = [&[1, b'h', 5][..], b"local", &[0]].concat();
    record(&mut message, &instance, SRV, &[&[0, 0, 0, 0, 0x10, 0x92][..], &host].concat());
    record(&mut message, &instance, TXT, b"\x03v=1\x04k=ab\x01q");
    record(&mut message, &host, A, &[10, 0, 0, 9]);
    message
}

#[test]
fn an_answer_is_read_and_one_to_another_question_is_not() {
    let text = [("v", "1"), ("k", "ab"), ("q", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let expected = Sighting {
        instance: "xy".into(),
        addresses: vec!["10.0.0.9:4242".parse().unwrap()],
        text: text.into(),
    };
    assert_eq!(sightings(7, &answer()), Some(vec![expected]));
    assert_eq!(sightings(8, &answer()), None);
    assert_eq!(sightings(7, &question(7)), None, "a question is none");
}

#[test]
fn a_damaged_answer_is_passed_over() {
    let whole = answer();
    for length in 0..whole.len() {
        let _ = sightings(7, &whole[..length]);
    }
    for at in 0..whole.len() {
        for value in [0, 1, 0x3f, 0x40, 0xc0, 0xff] {
            let mut changed = whole.clone();
            changed[at] = value;
            let _ = sightings(7, &changed);
        }
    }
    // A pointer to itself comes to an end.
    let mut looping = whole;
    looping[12] = 0xc0;
    looping[13] = 12;
    assert_eq!(sightings(7, &looping), None);
}
