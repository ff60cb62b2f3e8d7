//! Bodies that the providers are known to send, spoiled in every way that a network, a proxy or a bug spoils them.

use proptest::prelude::*;

use super::bodies;

/// One way to spoil a body.
#[derive(Clone, Debug)]
enum Bend {
    Cut(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, &'static [u8]),
    Twice(&'static str),
    Nest,
    Wrap,
    Deep(usize),
    Bom,
    Utf16,
    Swap(&'static str, &'static str),
}

fn bends() -> impl Strategy<Value = Bend> {
    let at = any::<prop::sample::Index>;
    let spoil: Vec<&'static [u8]> =
        vec![b"\0", b"\xff\xfe", b"\"", b"\\", b"}", b",", b"1e999", b"\xed\xa0\x80", b"\n"];
    let member = vec![
        r#""error":"invalid_client","#,
        r#""error":"invalid_grant","#,
        r#""status":"BAD_HUB","#,
        r#""status":null,"#,
        r#""refresh_token":"","#,
        r#""expires_in":-1,"#,
        r#""Fault":null,"#,
        r#""code":"120","#,
    ];
    let swaps = vec![
        ("3600", "1e999"),
        ("1800", "\"soon\""),
        ("8726400", "-1"),
        ("\"invalid_grant\"", "[\"invalid_grant\"]"),
        ("\"invalid_grant\"", "17"),
        ("\"BAD_HUB\"", "{\"status\":\"BAD_HUB\"}"),
        ("\"3100\"", "3100"),
        ("\"120\"", "120.0"),
        ("\"6190\"", "true"),
        ("error", "Error"),
        ("status", "STATUS"),
        ("invalid_grant", "invalid\\u005fgrant"),
    ];
    prop_oneof![
        at().prop_map(Bend::Cut),
        (at(), any::<u8>()).prop_map(|(at, byte)| Bend::Flip(at, byte)),
        (at(), prop::sample::select(spoil)).prop_map(|(at, what)| Bend::Insert(at, what)),
        prop::sample::select(member).prop_map(Bend::Twice),
        Just(Bend::Nest),
        Just(Bend::Wrap),
        prop::sample::select(vec![3usize, 127, 128, 3_000]).prop_map(Bend::Deep),
        Just(Bend::Bom),
        Just(Bend::Utf16),
        prop::sample::select(swaps).prop_map(|(from, to)| Bend::Swap(from, to)),
    ]
}

fn bent(mut body: Vec<u8>, bends: Vec<Bend>) -> Vec<u8> {
    for bend in bends {
        match bend {
            Bend::Cut(at) => body.truncate(at.index(body.len() + 1)),
            Bend::Flip(at, byte) if !body.is_empty() => {
                let at = at.index(body.len());
                body[at] ^= byte;
            }
            Bend::Flip(..) => {}
            Bend::Insert(at, what) => {
                let at = at.index(body.len() + 1);
                body.splice(at..at, what.iter().copied());
            }
            Bend::Twice(member) => {
                if body.first() == Some(&b'{') {
                    body.splice(1..1, member.bytes());
                }
            }
            Bend::Nest => body = [b"{\"body\":".as_slice(), &body, b"}"].concat(),
            Bend::Wrap => body = [b"[".as_slice(), &body, b"]"].concat(),
            Bend::Deep(depth) => {
                if body.first() == Some(&b'{') {
                    let deep = format!("\"deep\":{}{},", "[".repeat(depth), "]".repeat(depth));
                    body.splice(1..1, deep.bytes());
                }
            }
            Bend::Bom => body = [b"\xef\xbb\xbf".as_slice(), &body].concat(),
            Bend::Utf16 => {
                body = String::from_utf8_lossy(&body).encode_utf16().flat_map(u16::to_le_bytes).collect();
            }
            Bend::Swap(from, to) => body = String::from_utf8_lossy(&body).replace(from, to).into_bytes(),
        }
    }
    body
}

pub(super) fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(bodies::ALL.to_vec());
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..300),
        5 => (known, prop::collection::vec(bends(), 0..4)).prop_map(|(body, bends)| bent(body.into(), bends)),
    ]
}

pub(super) fn grants() -> impl Strategy<Value = Vec<u8>> {
    let known = vec![bodies::INTUIT_GRANT, bodies::INTUIT_GRANT_CAPPED, bodies::HUB_GRANT];
    (prop::sample::select(known), prop::collection::vec(bends(), 0..4))
        .prop_map(|(body, bends)| bent(body.into(), bends))
}

/// Members that a token reply may have and need not, as odd as they come; each ends with a comma.
pub(super) fn odd_members() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "expires_in",
        "x_refresh_token_expires_in",
        "x_refresh_token_hard_expires_in",
        "hub_id",
        "token_type",
        "scopes",
        "id_token",
        "error",
        "fault",
        "user_id",
        "",
    ]);
    let value = prop_oneof![
        prop::sample::select(vec![
            "null",
            "true",
            "{}",
            "[]",
            "\"\"",
            "\" \"",
            "-1",
            "0",
            "1e999",
            "-1e999",
            "1e-999",
            "0.0000001",
            "\"NaN\"",
            "\"inf\"",
            "\"3600\"",
            "\"\\ud800\"",
            "\"\\u0000\"",
            "99999999999999999999999999999999",
            "[[[[[[{}]]]]]]",
            "{\"refresh_token\":\"other\"}",
        ])
        .prop_map(str::to_owned),
        "-?[1-9][0-9]{0,30}(\\.[0-9]{1,9})?(e[0-9]{1,3})?",
        "\"[^\"\\\\\\x00-\\x1f]{0,20}\"",
        (1usize..400).prop_map(|depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth))),
    ];
    prop::collection::vec((name, value), 0..3)
        .prop_map(|members| members.iter().map(|(name, value)| format!("\"{name}\":{value},")).collect())
}
