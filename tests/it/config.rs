//! The configuration as its author meets it: layers, problems, secrets, what is shown.

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

use lamplighter::config::{Config, Environment, Place, Problems, SmtpSecurity, Sources};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

/// A configuration file in a directory of its own, and what is laid over it.
struct Given {
    dir: TempDir,
    sources: Sources,
}

fn given(file: impl AsRef<[u8]>) -> Given {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lamplighter.toml");
    std::fs::write(&path, file).unwrap();
    Given { dir, sources: Sources { file: Some(path), ..Sources::default() } }
}

impl Given {
    fn env(mut self, name: &str, value: &str) -> Self {
        self.sources.env.insert(name.to_owned(), value.to_owned());
        self
    }

    fn flag(mut self, key: &str, value: &str) -> Self {
        self.sources.flags.push((key.to_owned(), value.to_owned()));
        self
    }

    fn secret_file(self, name: &str, content: &str, mode: u32) -> Self {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn load(&self) -> Result<(Config, Vec<String>), Problems> {
        Config::load(self.sources.clone())
    }

    fn config(&self) -> Config {
        self.load().unwrap_or_else(|problems| panic!("{problems}")).0
    }

    /// The problems as printed, with the directory left out.
    fn problems(&self) -> String {
        let problems = self.load().expect_err("expected problems");
        problems.to_string().replace(&format!("{}/", self.dir.path().display()), "")
    }
}

#[test]
fn a_later_layer_wins() {
    let port = |given: &Given| given.config().smtp.port;
    assert_eq!(port(&given("")), 587);
    let layered = given("[smtp]\nport = 1");
    assert_eq!(port(&layered), 1);
    let layered = layered.env("LAMPLIGHTER__SMTP__PORT", "2");
    assert_eq!(port(&layered), 2);
    let layered = layered.flag("smtp.port", "3");
    assert_eq!(port(&layered), 3);
    assert_eq!(port(&layered.flag("smtp.port", "4")), 4);
}

#[test]
fn the_demo_lies_between_the_defaults_and_the_file() {
    let mut demo = given("[keeper]\nretry_max = \"3s\"");
    demo.sources.demo = true;
    let config = demo.config();
    assert_eq!(config.keeper.retry_min, Duration::from_millis(500));
    assert_eq!(config.keeper.retry_max, Duration::from_secs(3));
    assert_eq!(config.smtp.security, SmtpSecurity::None);
    assert!(config.show().contains("check_interval = \"2s\" # demo.toml:6\n"), "{}", config.show());
}

#[test]
fn a_probe_has_an_interval_or_is_off() {
    let interval = |text: &str| given(format!("[keeper]\nprobe_interval = \"{text}\"")).config().keeper.probe_interval;
    assert_eq!(given("").config().keeper.probe_interval, Some(Duration::from_hours(24)));
    assert_eq!((interval("90m"), interval("off")), (Some(Duration::from_mins(90)), None));
    for wrong in ["never", "0s", "", "OFF"] {
        let problems = given(format!("[keeper]\nprobe_interval = \"{wrong}\"")).problems();
        assert!(problems.starts_with("lamplighter.toml:2:18: keeper.probe_interval: "), "{problems}");
        assert!(problems.ends_with(r#", or "off""#), "{problems}");
    }
}

#[test]
fn only_our_own_environment_counts() {
    let config = given("").env("DATABASE_URL", "postgres://elsewhere/x").env("WEB__LISTEN", "no").config();
    assert!(config.database.url.is_none());
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_the_nearest_known_one() {
    let problems =
        given("data_dir = \"/d\"\n\n[web]\n  listne = \"127.0.0.1:1\"\ncolour = 1\n\n[providers.quickboks]\na = 1\n");
    assert_eq!(
        problems.problems(),
        "lamplighter.toml:4:3: web.listne: unknown key\n    did you mean `listen`?\n\
         lamplighter.toml:5:1: web.colour: unknown key\n    take it out; default.toml lists every key\n\
         lamplighter.toml:7:12: providers.quickboks: unknown section\n    did you mean `quickbooks`?"
    );
}

#[test]
fn a_typo_in_the_environment_or_a_flag_is_refused() {
    let given = given("").env("LAMPLIGHTER__WEB__LISTN", "127.0.0.1:1").flag("kepeer.lease", "3");
    assert_eq!(
        given.problems(),
        "environment LAMPLIGHTER__WEB__LISTN: web.listn: unknown key\n    did you mean `LAMPLIGHTER__WEB__LISTEN`?\n\
         flag --set kepeer.lease: kepeer.lease: unknown key\n    did you mean `keeper.lease`?"
    );
}

#[test]
fn single_underscores_are_warned_about() {
    let (_, warnings) = given("").env("LAMPLIGHTER_WEB_LISTEN", "x").env("LAMPLIGHTER_CONFIG", "y").load().unwrap();
    assert_eq!(warnings, ["environment LAMPLIGHTER_WEB_LISTEN is not read; did you mean `LAMPLIGHTER__WEB__LISTEN`?"]);
}

#[test]
fn all_problems_come_at_once() {
    let given = given(
        "[web]\nlisten = \"here\"\npublic_url = \"http://lamp.example\"\n\n[keeper]\ncheck_interval = \"soon\"\n\
         renew_at = 1\nconcurrency = \"many\"\n\n[smtp]\nsecurity = \"tsl\"\nfrom = \"nobody\"\n",
    )
    .env("LAMPLIGHTER__SMTP__PORT", "99999");
    insta::assert_snapshot!(given.problems());
}

#[test]
fn a_section_is_not_a_key_and_a_key_is_not_a_section() {
    assert_eq!(
        given("web = 1\n[smtp.port]\nx = 1\n").problems(),
        "lamplighter.toml:1:7: web: is a section, not a key\n    write [web] and its keys below it\n\
         lamplighter.toml:2:1: smtp.port: expected a whole number, found a section\n    write it like the default, 587"
    );
    assert!(given("\"web.listen\" = \"127.0.0.1:1\"").problems().contains("1:1: web.listen: unknown key"));
}

#[test]
fn broken_toml_is_reported_alone_and_without_its_line() {
    let problems = given("[smtp]\npassword = \"hunter2\nport = 0\n").problems();
    assert!(problems.starts_with("lamplighter.toml:2:"), "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
    assert_eq!(problems.lines().count(), 2, "{problems}");
    assert!(given(b"[web]\n# \xff").problems().starts_with("lamplighter.toml:2:3: is not UTF-8"));
}

#[test]
fn a_file_that_was_named_must_exist() {
    let mut absent = given("");
    absent.sources.file = Some(absent.path("absent.toml"));
    assert!(absent.problems().starts_with("absent.toml: cannot be read: No such file"), "{}", absent.problems());
}

#[test]
fn a_secret_comes_from_its_key_or_its_file_but_never_from_both() {
    let file = "[smtp]\nusername = \"me\"\npassword_file = \"pw\"\n";
    let from_file = given(file).secret_file("pw", " hunter2\n\n", 0o600);
    assert_eq!(from_file.config().smtp.password.unwrap().expose_secret(), " hunter2\n");
    let both = from_file.env("LAMPLIGHTER__SMTP__PASSWORD", "hunter3");
    assert_eq!(
        both.problems(),
        "environment LAMPLIGHTER__SMTP__PASSWORD: smtp.password: is set here, and smtp.password_file is set too \
         (lamplighter.toml:3:17)\n    keep one of the two; the file is safer"
    );
}

#[test]
fn a_secret_file_must_be_there_and_hold_something() {
    let file = "[smtp]\nusername = \"me\"\npassword_file = \"pw\"\n";
    let absent = given(file).problems();
    assert!(
        absent.starts_with("lamplighter.toml:3:17: smtp.password_file: pw cannot be read: No such file"),
        "{absent}"
    );
    let empty = given(file).secret_file("pw", "\n", 0o600).problems();
    assert!(empty.contains("smtp.password_file: pw is empty"), "{empty}");
    let long = given(file).secret_file("pw", &"x".repeat(70_000), 0o600).problems();
    assert!(long.contains("longer than 65536 bytes"), "{long}");
}

#[test]
fn a_secret_that_everybody_can_read_is_warned_about() {
    let file = "[smtp]\nusername = \"me\"\npassword_file = \"pw\"\n";
    let (_, warnings) = given(file).secret_file("pw", "hunter2", 0o644).load().unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("pw holds smtp.password and every user"), "{warnings:?}");
    let (_, warnings) = given(file).secret_file("pw", "hunter2", 0o640).load().unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let inline = given("smtp = { username = \"me\", password = \"hunter2\" }").secret_file("other", "", 0o600);
    std::fs::set_permissions(inline.path("lamplighter.toml"), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(inline.load().unwrap().1[0].contains("lamplighter.toml holds smtp.password"));
}

#[test]
fn a_secret_in_a_flag_is_warned_about() {
    let flags = given("").flag("smtp.username", "me").flag("smtp.password", "hunter2");
    let (_, warnings) = flags.load().unwrap();
    assert_eq!(
        warnings,
        ["smtp.password is given in a flag, which every user of this machine can see: \
             use smtp.password_file"]
    );
}

#[test]
fn a_name_needs_its_secret_and_a_secret_its_name() {
    let half = given("[providers.hubspot]\nclient_id = \"abc\"\n[smtp]\npassword = \"hunter2\"\n");
    assert_eq!(
        half.problems(),
        "smtp.username: is not set, but smtp.password is\n    set username too, or take the secret out\n\
         providers.hubspot.client_secret: is not set, but providers.hubspot.client_id is (lamplighter.toml:2)\n    \
         set providers.hubspot.client_secret_file to a file that holds it"
    );
    let faulty = given("[providers.hubspot]\nclient_id = 12\nclient_secret = \"s\"\n").problems();
    assert_eq!(faulty.matches("client_id").count(), 1, "one mistake, one problem: {faulty}");
}

#[test]
fn the_lease_must_outlast_a_spend() {
    let problems = given("[keeper]\nlease = \"1m\"\n[orders]\nlease = \"1m\"\n").problems();
    assert!(
        problems.contains(
            "2:9: keeper.lease: keeper.deadline 30s plus keeper.commit_budget 30s is not below keeper.lease 1m"
        ),
        "{problems}"
    );
    assert!(
        problems.contains("4:9: orders.lease: providers.timeout 2m 10s is not below orders.lease 1m"),
        "{problems}"
    );
    given("[keeper]\nlease = \"61s\"").config();
}

#[test]
fn bounds_must_be_in_order() {
    let problems = given("").flag("outage.canary_min", "1h").flag("keeper.renew_at", "0.95").problems();
    assert!(problems.contains("outage.canary_min: is longer than outage.canary_max (default)"), "{problems}");
    assert!(problems.contains("keeper.renew_at: 0.95 plus keeper.jitter 0.1 is not below 1"), "{problems}");
}

#[test]
fn a_provider_url_is_https_or_on_this_machine() {
    let with = |url: &str| given("").flag("providers.hubspot.token_url", url);
    assert!(with("http://api.example/token").problems().contains("is not https"));
    with("http://127.0.0.1:9/{api_version}/token").config();
    let braces = given("").flag("providers.quickbooks.token_url", "https://a.example/{api_version}").problems();
    assert!(braces.contains("unknown placeholder"), "{braces}");
}

#[test]
fn providers_are_present_when_they_have_credentials() {
    let none = given("").config();
    assert!(none.providers.quickbooks.is_none() && none.providers.hubspot.is_none());
    assert!(none.require_providers().is_err_and(|problems| problems.0[0].place == Place::Missing));

    let both = given(
        "[providers.quickbooks]\nclient_id = \"q\"\nclient_secret = \"s\"\nenvironment = \"sandbox\"\n\
         [providers.hubspot]\nclient_id = \"h\"\nclient_secret = \"s\"\napi_version = \"2027-03\"\n",
    )
    .env("LAMPLIGHTER__PROVIDERS__HUBSPOT__SCOPES", "oauth, crm.objects.orders.read")
    .config();
    both.require_providers().unwrap();
    let (quickbooks, hubspot) = (both.providers.quickbooks.unwrap(), both.providers.hubspot.unwrap());
    assert_eq!(quickbooks.environment, Environment::Sandbox);
    assert_eq!(quickbooks.api_url.as_str(), "https://sandbox-quickbooks.api.intuit.com/");
    assert!(quickbooks.introspect_url.is_none());
    assert_eq!(hubspot.token_url.as_str(), "https://api.hubapi.com/oauth/2027-03/token");
    assert_eq!(hubspot.scopes, ["oauth", "crm.objects.orders.read"]);
}

#[test]
fn paths_count_from_the_file_that_names_them() {
    let relative = given("data_dir = \"data\"");
    assert_eq!(relative.config().vault.keys_file, relative.path("data/vault.keys"));
    assert_eq!(relative.flag("data_dir", "/d").config().data_dir, PathBuf::from("/d"));
}

#[test]
fn nothing_secret_is_shown() {
    let secrets = ["hunter2", "topsecret", "Pa55"];
    let given = given(
        "[database]\nurl = \"postgres://lamp:Pa55@db/lamp\"\n[smtp]\nusername = \"me\"\npassword = \"hunter2\"\n\
         [providers.quickbooks]\nclient_id = \"q\"\n",
    )
    .env("LAMPLIGHTER__PROVIDERS__QUICKBOOKS__CLIENT_SECRET", "topsecret")
    .flag("web.status_page", "off");
    let config = given.config();
    let shown = config.show();
    for text in [&shown, &config.show_json().to_string(), &format!("{config:?}")] {
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
    }
    let file = given.path("lamplighter.toml").display().to_string();
    for line in [
        format!("url = \"postgres://lamp:••••@db/lamp\" # {file}:2"),
        "client_secret = \"•••• (set)\" # environment LAMPLIGHTER__PROVIDERS__QUICKBOOKS__CLIENT_SECRET".to_owned(),
        "client_secret = \"\" # default".to_owned(),
        "status_page = \"off\" # flag".to_owned(),
        "data_dir = \"/var/lib/lamplighter\" # default".to_owned(),
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} not in\n{shown}");
    }
    assert_eq!(config.show_json()["providers"]["quickbooks"]["client_id"]["value"], "q");
    assert_eq!(config.show_json()["web"]["status_page"]["from"], "flag");
}

#[test]
fn no_problem_repeats_a_secret() {
    let problems = given("[database]\nurl = \"mysql://a:hunter2@b/c\"\n[smtp]\npassword = [\"hunter2\"]\n").problems();
    assert!(problems.contains("database.url: is no PostgreSQL URL"), "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn a_collector_is_named_by_its_address_and_its_headers_stay_secret() {
    let text = "[telemetry]\notlp_endpoint = \"http://otel.lan:4318\"\notlp_headers = \"\"\"\napi-key: hunter2\nx-team:  a b \n\"\"\"\n";
    let (config, warnings) = given(text).load().unwrap();
    let names: Vec<_> = config.telemetry.otlp_headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["api-key", "x-team"]);
    assert!(!config.show().contains("hunter2") && !format!("{config:?}").contains("hunter2"));
    let exposed = "telemetry.otlp_endpoint is not https: telemetry.otlp_headers travel unencrypted";
    assert!(warnings.iter().any(|warning| warning == exposed), "{warnings:?}");

    let no_header = given("").flag("telemetry.otlp_headers", "hunter2").problems();
    assert!(no_header.contains("telemetry.otlp_headers: holds a line that is no header"), "{no_header}");
    assert!(!no_header.contains("hunter2"), "{no_header}");
    for wrong in
        ["otel.lan:4318", "grpc://otel.lan:4317", "https://ada:hunter2@otel.lan", "http://otel.lan/?key=hunter2"]
    {
        let problems = given("").flag("telemetry.otlp_endpoint", wrong).problems();
        assert!(problems.contains("telemetry.otlp_endpoint: ") && !problems.contains("hunter2"), "{problems}");
    }
}

#[test]
fn what_is_shown_is_toml() {
    let shown = given("").config().show();
    let again = given(&shown).config().show();
    let values = |text: &str| text.lines().map(|line| line.split(" # ").next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(values(&shown), values(&again));
}

#[test]
fn the_example_loads() {
    let mut example = given(lamplighter::config::EXAMPLE);
    for key in
        ["database.url", "smtp.password", "providers.quickbooks.client_secret", "providers.hubspot.client_secret"]
    {
        example = example.flag(&format!("{key}_file"), "").flag(key, "postgres://inline");
    }
    example.config().require_providers().unwrap();
}

#[test]
fn a_value_that_is_not_utf8_is_refused() {
    let problems = given("").env("LAMPLIGHTER__SMTP__PASSWORD", "a\u{fffd}").problems();
    assert!(problems.contains("smtp.password: is not UTF-8 text"), "{problems}");
}

#[test]
fn space_around_a_log_filter_changes_nothing() {
    let filter = |text: &str| given("").flag("log.filter", text).config().log.filter;
    assert_eq!(filter(" info, sqlx=warn\u{2003},\u{2003}hyper=off"), "info,sqlx=warn,hyper=off");
}

/// Keys of every kind, for values that nobody would write.
const KEYS: [&str; 11] = [
    "data_dir",
    "database.url",
    "web.listen",
    "web.public_url",
    "web.status_page",
    "keeper.check_interval",
    "keeper.renew_at",
    "smtp.from",
    "smtp.security",
    "providers.hubspot.scopes",
    "log.filter",
];

proptest! {
    #[test]
    fn no_bytes_in_the_file_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(given(bytes).load());
    }

    #[test]
    fn no_toml_in_the_file_panics(
        key in proptest::sample::select(&KEYS[..]),
        value in r#""[^"\\\n\r]{0,20}"|-?[0-9_]{1,25}|[0-9]{1,3}\.[0-9e]{1,3}|\[\[?[a"1, ]{0,6}\]|\{.{0,6}\}|inf|nan|1979-05-27"#,
    ) {
        drop(given(format!("{key} = {value}")).load());
    }

    #[test]
    fn no_text_in_a_variable_or_flag_panics(key in proptest::sample::select(&KEYS[..]), any_key in ".{0,30}", text in ".{0,40}") {
        let name = format!("LAMPLIGHTER__{}", key.to_uppercase().replace('.', "__"));
        let env = BTreeMap::from([(name, text.clone()), (format!("LAMPLIGHTER__{any_key}"), String::new())]);
        let flags = vec![(key.to_owned(), text), (any_key, String::new())];
        drop(Config::load(Sources { env, flags, ..Sources::default() }));
    }
}
