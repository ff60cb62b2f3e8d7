//! What holds for keys, seals and signatures, and what a keys file may do while it is used.

use std::{fs, os::unix::fs::PermissionsExt as _};

use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;

const ROW: Uuid = Uuid::from_u128(7);
const PLACE: Place = Place { table: "tokens", row: ROW, field: "refresh_sealed" };

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

#[test]
fn a_sealed_value_opens_in_its_place_and_nowhere_else() {
    let vault = Vault::ephemeral();
    let sealed = vault.seal(PLACE, &secret("RT1-1-H0"));
    assert!(!sealed.contains("RT1"));
    assert_eq!(vault.open(PLACE, &sealed).unwrap().expose_secret(), "RT1-1-H0");
    for other in [
        Place { row: Uuid::from_u128(8), ..PLACE },
        Place { field: "access_sealed", ..PLACE },
        Place { table: "others", ..PLACE },
    ] {
        assert!(matches!(vault.open(other, &sealed), Err(Error::Damaged(_))));
    }
}

#[test]
fn another_vaults_value_names_the_missing_key() {
    let (ours, theirs) = (Vault::ephemeral(), Vault::ephemeral());
    let sealed = theirs.seal(PLACE, &secret("x"));
    let id = theirs.active_key_id();
    assert!(matches!(ours.open(PLACE, &sealed), Err(Error::UnknownKey(missing)) if missing == id));
}

#[test]
fn a_flipped_bit_does_not_open() {
    let vault = Vault::ephemeral();
    let sealed = vault.seal(PLACE, &secret("abc"));
    let (head, body) = sealed.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(body).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let broken = format!("{head}.{}", URL_SAFE_NO_PAD.encode(bytes));
    assert!(matches!(vault.open(PLACE, &broken), Err(Error::Damaged(_))));
    for nonsense in ["", "1", "1.a", "2.a.b", "1.deadbeef.!!!"] {
        assert!(vault.open(PLACE, nonsense).is_err());
    }
}

#[test]
fn a_generated_file_loads_and_is_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/vault.keys");
    assert!(matches!(Vault::load(&path), Err(Error::Missing(_))));
    let id = Vault::generate(&path).unwrap();
    let before = fs::read(&path).unwrap();
    assert_eq!(Vault::load(&path).unwrap().key_ids(), [id.as_str()]);
    assert!(matches!(Vault::generate(&path), Err(Error::Exists(_))));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(Vault::load(&path), Err(Error::TooOpen(_))));
}

#[test]
fn a_key_under_another_id_is_refused_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    fs::write(&path, format!("# one\n\n00000000 {}\n", STANDARD.encode([1; 32]))).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(Vault::load(&path), Err(Error::Malformed { line: 3, .. })));
}

#[test]
fn a_signature_holds_for_its_purpose_and_message_only() {
    let vault = Vault::ephemeral();
    let (key_id, signature) = vault.sign("link", b"account 1");
    assert!(vault.verify("link", b"account 1", &key_id, &signature));
    assert!(!vault.verify("link", b"account 2", &key_id, &signature));
    assert!(!vault.verify("other", b"account 1", &key_id, &signature));
    assert!(!Vault::ephemeral().verify("link", b"account 1", &key_id, &signature));
    assert!(!vault.verify("link", b"account 1", &key_id, &signature[..31]));
}

#[test]
fn fingerprints_tell_values_apart_and_hide_them() {
    assert_eq!(fingerprint(&secret("a")), fingerprint(&secret("a")));
    assert_ne!(fingerprint(&secret("a")), fingerprint(&secret("b")));
    assert_eq!(fingerprint(&secret("a")).len(), 16);
}

/// A vault over a file of its own, and a way to write that file as another program would.
struct Town {
    directory: tempfile::TempDir,
    vault: Vault,
}

impl Town {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Vault::generate(&directory.path().join("keys")).unwrap();
        let vault = Vault::load(&directory.path().join("keys")).unwrap();
        Self { directory, vault }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("keys")
    }

    /// As if the last look had been long ago.
    fn wait(&self) {
        let source = self.vault.source.as_ref().unwrap();
        source.seen().read_at -= READ_AGAIN_AFTER;
    }
}

#[test]
fn a_changed_file_is_noticed_and_an_unchanged_one_is_not_read() {
    let town = Town::new();
    assert!(!town.vault.look());
    let (old, new) = (town.vault.active_key_id(), Key::random());
    key_file::add(&town.path(), &new).unwrap();
    assert!(town.vault.look());
    assert_eq!(town.vault.key_ids(), [old.as_str(), new.id()]);
    assert_eq!(key_id_of(&town.vault.seal(PLACE, &secret("x"))), Some(old.as_str()), "the first line seals");
    key_file::put_first(&town.path(), new.id()).unwrap();
    assert!(town.vault.look());
    assert_eq!(key_id_of(&town.vault.seal(PLACE, &secret("x"))), Some(new.id()));
    assert!(!town.vault.look());
}

#[test]
fn a_missing_key_is_looked_for_at_most_once_a_second() {
    let (town, new) = (Town::new(), Key::random());
    let (sealed, garbage) = (new.seal(PLACE, &secret("x")), Key::random().seal(PLACE, &secret("x")));
    town.wait();
    assert!(matches!(town.vault.open(PLACE, &garbage), Err(Error::UnknownKey(_))));
    key_file::add(&town.path(), &new).unwrap();
    assert!(matches!(town.vault.open(PLACE, &sealed), Err(Error::UnknownKey(_))), "the file was read a moment ago");
    town.wait();
    assert_eq!(town.vault.open(PLACE, &sealed).unwrap().expose_secret(), "x");
    let (id, signature) = Vault::ephemeral().sign("link", b"m");
    assert!(!town.vault.verify("link", b"m", &id, &signature));
}

#[test]
fn a_broken_file_never_replaces_good_keys() {
    let town = Town::new();
    let good = fs::read(town.path()).unwrap();
    let sealed = town.vault.seal(PLACE, &secret("x"));
    let ids = town.vault.key_ids();
    for (broken, word) in
        [(&b"0badc0de c2VjcmV0\n"[..], ":1"), (b"", "there is no vault key"), (b"\xff\xfe", "cannot use")]
    {
        fs::write(town.path(), broken).unwrap();
        assert!(!town.vault.look());
        let trouble = town.vault.trouble().unwrap();
        assert!(trouble.contains(word) && !trouble.contains("c2VjcmV0"), "{trouble}");
        assert_eq!(town.vault.key_ids(), ids);
        assert!(town.vault.open(PLACE, &sealed).is_ok());
    }
    fs::remove_file(town.path()).unwrap();
    town.vault.look();
    assert!(town.vault.trouble().unwrap().contains("there is no vault key"));
    fs::write(town.path(), &good).unwrap();
    town.vault.look();
    assert!(town.vault.trouble().unwrap().contains("chmod 600"), "everybody may read it");
    fs::set_permissions(town.path(), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(!town.vault.look(), "the same keys");
    assert_eq!(town.vault.trouble(), None);
}

#[test]
fn a_key_that_leaves_the_file_still_opens_but_no_longer_vouches() {
    let (town, new) = (Town::new(), Key::random());
    let old = town.vault.active_key_id();
    let sealed = town.vault.seal(PLACE, &secret("x"));
    let (id, signature) = town.vault.sign("link", b"m");
    key_file::add(&town.path(), &new).unwrap();
    key_file::remove(&town.path(), std::slice::from_ref(&old)).unwrap();
    assert!(town.vault.look());
    assert_eq!(town.vault.key_ids(), [new.id()]);
    assert!(town.vault.open(PLACE, &sealed).is_ok());
    assert!(!town.vault.verify("link", b"m", &id, &signature));
    // Other changes do not make it forget; putting the line back makes it a key like any other.
    key_file::add(&town.path(), &Key::random()).unwrap();
    town.vault.look();
    assert!(town.vault.open(PLACE, &sealed).is_ok());
}
