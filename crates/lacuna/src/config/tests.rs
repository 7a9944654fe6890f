use std::ffi::OsString;

use lacuna_engine::{OnErase, Poison};
use lacuna_scan::{IdentifierRule, PseudonymEncoding, PseudonymLength, TenantFolder, TenantRule};

use super::*;

const FULL: &str = include_str!("../../../../fixtures/config/full.toml");
const SMALL: &str = "[store]\nurl = \"logs\"\n[[source]]\nname = \"a\"\nshards = \"*.ndjson\"\n\
                     identifiers = [{ column = \"id\", kind = \"id\" }]\n";

fn parse(text: &str) -> std::result::Result<Config, Vec<Problem>> {
    Config::parse(text, Path::new("/etc/lacuna/lacuna.toml"))
}

/// What is wrong with `text`, a line for each thing.
fn wrong(text: &str) -> String {
    let problems = parse(text).unwrap_err();
    let line = |Problem { line, column, message }: &Problem| format!("{line}:{column}: {message}\n");
    problems.iter().map(line).collect()
}

/// What is wrong with a source that has these lines too.
fn wrong_source(lines: &str) -> String {
    wrong(&format!("{SMALL}{lines}"))
}

fn no_environment(_: &str) -> Option<OsString> {
    None
}

#[test]
fn everything_can_be_said() {
    let config = parse(FULL).unwrap();
    let StoreConfig::Azure { container, connection } = &config.store else { panic!("not Azure") };
    assert_eq!((container.as_str(), connection.account.as_deref()), ("logs", Some("contoso")));
    assert_eq!(connection.credential, Credential::ManagedIdentity);
    assert_eq!(connection.ca_certificate.as_deref(), Some(Path::new("/etc/lacuna/ca.pem")));
    assert_eq!(config.keys.epochs.len(), 2);
    assert_eq!((config.limits.nesting_max, config.limits.record_bytes_max), (64, 16 << 20));
    assert_eq!((config.run.memory, config.run.threads), (Some(1 << 30), Some(8)));

    let [activity, trail, audit, signins] = config.sources.as_slice() else { panic!("not four sources") };
    let IdentifierRule::One(user) = &activity.mapping.identifiers[0] else { panic!("not one column") };
    let form = user.pseudonym.unwrap();
    assert_eq!((form.encoding, form.length), (PseudonymEncoding::Hex, PseudonymLength::Bytes16));
    assert_eq!(activity.mapping.identifiers[1].fields()[0].case, lacuna_scan::Case::Insensitive);
    assert_eq!(activity.mapping.identifiers[2].fields().len(), 2);
    assert!(matches!(&activity.mapping.tenant, TenantRule::Column(column) if column.as_str() == "TenantId"));
    assert_eq!((activity.poison, activity.on_erase.clone()), (Poison::Keep, OnErase::Anonymize));
    assert_eq!(trail.format.text.records.as_ref().map(lacuna_scan::ColumnPath::as_str), Some("Records[]"));
    assert!(trail.mapping.identifiers[0].fields()[0].optional);
    let within = trail.mapping.identifiers[1].fields()[0].json.as_ref();
    assert_eq!(within.map(lacuna_scan::ColumnPath::as_str), Some("callers[].name"));
    assert!(matches!(&trail.mapping.tenant, TenantRule::Fixed(tenant) if tenant.as_str() == "contoso"));
    assert_eq!((audit.format.text.delimiter, audit.format.text.quote), (Some(b';'), Some(false)));
    assert_eq!(audit.on_erase, OnErase::Keep { reason: "Needed to prove who did what.".into() });
    assert_eq!(signins.on_erase, OnErase::Keep { reason: "Shows who had access. (GDPR Art. 17(3)(b))".into() });
}

#[test]
fn an_export_is_in_the_stores_account_unless_it_says_otherwise() {
    let config = parse(FULL).unwrap();
    let Some(StoreConfig::Azure { container, connection }) = &config.export else { panic!("not Azure") };
    assert_eq!((container.as_str(), connection.account.as_deref()), ("exports", Some("contoso")));
    assert_eq!(connection.credential, Credential::ManagedIdentity);
    assert_eq!(connection.client_id.as_deref(), Some("0b5c…"));

    let other = FULL.replace("url = \"az://exports\"", "url = \"az://exports\"\naccount = \"fabrikam\"");
    let Some(StoreConfig::Azure { connection, .. }) = parse(&other).unwrap().export else { panic!("not Azure") };
    assert_eq!((connection.account.as_deref(), connection.credential), (Some("fabrikam"), Credential::Auto));
    assert_eq!(connection.client_id, None);
}

#[test]
fn a_small_file_is_enough_and_has_defaults() {
    let config = parse(SMALL).unwrap();
    assert!(matches!(&config.store, StoreConfig::Local { root } if root == Path::new("/etc/lacuna/logs")));
    let source = &config.sources[0];
    assert_eq!((source.product.as_str(), source.data_type.as_str()), ("a", "Records"));
    assert!(matches!(source.mapping.tenant, TenantRule::Single));
    assert_eq!(source.on_erase, OnErase::Delete);
    assert_eq!(config.limits, Limits::default());
}

#[test]
fn an_empty_file_says_what_it_needs() {
    insta::assert_snapshot!(wrong(""), @r"
    1:1: the file needs `store`: where the shards are, as `[store]` with `url`
    1:1: the file needs `source`: what to search, as `[[source]]`
    ");
}

#[test]
fn broken_toml_is_one_problem() {
    insta::assert_snapshot!(wrong("[store\nurl = \"logs\"\n"));
    insta::assert_snapshot!(wrong("[store]\nurl = logs\n"));
    insta::assert_snapshot!(wrong("[store]\nurl = \"a\"\nurl = \"b\"\n"));
}

#[test]
fn unknown_keys_name_the_nearest() {
    insta::assert_snapshot!(wrong(
        r#"
[stroe]
url = "logs"
[store]
url = "logs"
[limits]
record_bytes = 5
[keys.pseudonyms]
[[source]]
name = "a"
shrads = "*.ndjson"
shards = "*.ndjson"
colour = "red"
identifers = []
identifiers = [{ column = "id", kind = "id", Case = "insensitive" }, { all_of = [], column = "x" }]
csv = { seperator = "," }
"#
    ));
}

#[test]
fn wrong_types_and_values_say_what_is_right() {
    insta::assert_snapshot!(wrong(
        r#"
[store]
url = 5
[export]
url = "s3://bucket"
[limits]
record_bytes_max = "lots"
nesting_max = 0
expansion_max = 1.5
[run]
memory = "1KiB"
threads = -1
requests = "many"
[[source]]
name = " "
shards = ["a", "b"]
format = "parqet"
records = "Records"
csv = { delimiter = "::", header = ["a", "a"] }
product = "../up"
data_type = "a/b"
identifiers = { column = "id", kind = "id" }
tenant = "tenants[]"
time = 2026-01-01
on_erase = "hide"
poison = true
empty_shards = "drop"
"#
    ));
}

#[test]
fn shards_of_any_format_may_lack_an_optional_column() {
    for format in ["parquet", "arrow", "ndjson", "json", "csv"] {
        let identifiers = "identifiers = [{ column = \"id\", kind = \"id\", optional = true }]";
        let source = format!("name = \"s\"\nshards = \"**\"\nformat = \"{format}\"\n{identifiers}\n");
        let text = format!("[store]\nurl = \"logs\"\n[[source]]\n{source}");
        let config = Config::parse(&text, std::path::Path::new("lacuna.toml")).unwrap();
        assert!(config.sources[0].mapping.identifiers[0].fields()[0].optional, "{format}");
    }
}

#[test]
fn a_source_says_that_it_may_be_empty() {
    let may_be_empty = |said: &str| {
        let text = SMALL.replace("name = \"a\"", &format!("name = \"a\"\n{said}"));
        parse(&text).unwrap().sources.remove(0).may_be_empty
    };
    assert!(may_be_empty("may_be_empty = true") && !may_be_empty("may_be_empty = false") && !may_be_empty(""));
    let wrong = wrong_source("may_be_empty = \"yes\"\n");
    assert!(wrong.contains("may_be_empty"), "{wrong}");
}

#[test]
fn a_folder_may_name_the_tenant() {
    let rule = |tenant: &str| {
        let text = SMALL.replace("name = \"a\"", &format!("name = \"a\"\ntenant = {{ folder = {tenant} }}"));
        parse(&text).unwrap().sources.remove(0).mapping.tenant
    };
    assert!(matches!(rule("\"tenant=\""), TenantRule::Folder(TenantFolder::Named(name)) if name == "tenant="));
    assert!(matches!(rule("2"), TenantRule::Folder(TenantFolder::Nth(2))));
    let cases = [
        ("0", "from 1 to"),
        ("\"a/\"", "one folder's name"),
        ("\" \"", "is empty"),
        ("1, id = \"contoso\"", "stands beside `id`"),
    ];
    for (tenant, said) in cases {
        let wrong = wrong_source(&format!("tenant = {{ folder = {tenant} }}\n"));
        assert!(wrong.contains(said), "{wrong}");
    }
    assert!(wrong_source("tenant = { folder = 1, id = \"contoso\" }\n").contains("`id`"));
}

#[test]
fn sources_are_checked() {
    insta::assert_snapshot!(wrong_source("product = \"\"\non_erase = \"keep\"\n"));
    insta::assert_snapshot!(wrong_source("reason = \"because\"\nrecords = \"R[]\"\nformat = \"csv\"\n"));
    insta::assert_snapshot!(wrong_source("tenant = { name = \"contoso\" }\ntime = \"a{}\"\n"));
    insta::assert_snapshot!(wrong(&SMALL.replace("*.ndjson", "a/[")));
    insta::assert_snapshot!(wrong(&SMALL.replace("*.ndjson", "/var/log/*")));
    insta::assert_snapshot!(wrong(&format!("{SMALL}{}", &SMALL[SMALL.find("[[").unwrap()..])));
    insta::assert_snapshot!(wrong(&SMALL.replace("[[source]]", "[source]")));
}

#[test]
fn a_glob_that_can_match_no_path_is_wrong() {
    for glob in ["./*.ndjson", "../*.ndjson", "a/../*.ndjson", "a//*.ndjson", "a/"] {
        let text = wrong(&SMALL.replace("*.ndjson", glob));
        assert!(text.contains("`source[0].shards` names no path within the store"), "{glob}: {text}");
    }
}

#[test]
fn identifiers_are_checked() {
    let with = |identifiers: &str| {
        let start = SMALL.find("identifiers").unwrap();
        wrong(&format!("{}identifiers = {identifiers}\n", &SMALL[..start]))
    };
    insta::assert_snapshot!(with("[]"));
    insta::assert_snapshot!(with(
        r#"[{ column = "a[0]", kind = "a=b" }, { column = "a", kind = "" }, { kind = "x" }, "UserId"]"#
    ));
    insta::assert_snapshot!(with(r#"[{ column = "a", kind = "x", encoding = "hex", bytes = 16 }]"#));
    insta::assert_snapshot!(with(r#"[{ column = "a", kind = "x", pseudonym = true, bytes = 24, encoding = "HEX" }]"#));
    insta::assert_snapshot!(with(r#"[{ all_of = [{ column = "a", kind = "x" }] }]"#));
    insta::assert_snapshot!(with(r#"[{ column = "a", kind = "x", json = "b[0]" }]"#), @"6:51: `source[0].identifiers[0].json` is wrong: column path `b[0]`: brackets are `[]` (list elements) or `{}` (map values)");
}

#[test]
fn stores_are_checked() {
    let with = |store: &str| wrong(&SMALL.replace("url = \"logs\"", store));
    insta::assert_snapshot!(with("url = \"az://logs\""));
    insta::assert_snapshot!(with("url = \"az://logs/path\"\naccount = \"contoso\""));
    insta::assert_snapshot!(with("url = \"logs\"\naccount = \"contoso\"\ncredential = \"auto\""));
    insta::assert_snapshot!(with(
        "url = \"az://logs\"\naccount = \"c\"\nendpoint = \"localhost\"\ncredential = \"managed\"\nclient_id = 7"
    ));
    insta::assert_snapshot!(with(
        "url = \"az://logs\"\naccount = \"c\"\ncredential = \"sas\"\nkey = { env = \"A\" }\nsas = { file = \"b\" }"
    ));
}

#[test]
fn secrets_stand_elsewhere_and_are_not_repeated() {
    let text = wrong(&format!("{SMALL}[keys.signing]\nsecret = \"hunter2\"\n"));
    assert!(!text.contains("hunter2"));
    insta::assert_snapshot!(text);
    insta::assert_snapshot!(wrong(&format!(
        "{SMALL}[keys.pseudonym]\nepochs = [{{ id = \"1\", secret = {{ env = \"A\", file = \"b\" }} }}, {{ id = \"1\", \
         secret = {{ vault = \"A\" }} }}, {{ secret = {{ env = \"\" }}, encoding = \"binary\" }}]\n"
    )));
    let pasted = wrong("[store]\nurl = \"az://logs\"\naccount = \"contoso\"\ncredential = \"sv=2024&sig=hunter2\"\n");
    assert!(pasted.contains("`store.credential` must be one of") && !pasted.contains("hunter2"), "{pasted}");
    insta::assert_snapshot!(wrong(&format!("{SMALL}[keys.pseudonym]\nepochs = []\n")));
    insta::assert_snapshot!(wrong(&format!("{SMALL}[keys.pseudonym]\n")));
}

#[test]
fn a_missing_secret_names_variable_and_key() {
    let config = parse(FULL).unwrap();
    insta::assert_snapshot!(config.keys.epochs(&no_environment).unwrap_err().text());
    let one = |name: &str| (name == "LACUNA_KEY_2025").then(|| OsString::from("00ff"));
    insta::assert_snapshot!(config.keys.epochs(&one).unwrap_err().text());
    let wrong = |_: &str| Some(OsString::from("not hexadecimal"));
    insta::assert_snapshot!(config.keys.epochs(&wrong).unwrap_err().text());
    let empty = |_: &str| Some(OsString::new());
    insta::assert_snapshot!(config.keys.epochs(&empty).unwrap_err().text());
}

#[test]
fn a_secrets_file_loses_its_final_line_break_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lacuna.toml");
    let text = format!("{SMALL}[keys.pseudonym]\nepochs = [{{ id = \"1\", secret = {{ file = \"key\" }} }}]\n");
    let config = Config::parse(&text, &path).unwrap();
    for (content, expected) in
        [(&b" k \n"[..], &b" k "[..]), (b"k\r\n", b"k"), (b"k\n\n", b"k\n"), (b"\x00\xff", b"\x00\xff")]
    {
        std::fs::write(dir.path().join("key"), content).unwrap();
        let epoch = config.keys.epochs[0].resolve(&no_environment).unwrap();
        assert_eq!(epoch.key.expose(), expected);
    }
    std::fs::write(dir.path().join("key"), "\n").unwrap();
    assert!(config.keys.epochs[0].resolve(&no_environment).is_err(), "an empty key is no key");
}

#[test]
fn a_mark_at_the_start_is_no_problem() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lacuna.toml");
    std::fs::write(&path, format!("\u{feff}{SMALL}")).unwrap();
    assert_eq!(Config::load(&path).unwrap().sources.len(), 1);
}

#[test]
fn a_ledger_says_where_it_is_and_what_requests_are_bound_to() {
    let config = parse(FULL).unwrap();
    let ledger = config.ledger.unwrap();
    assert!(matches!(ledger.url, LedgerUrl::Secret(_)));
    assert!(ledger.subject_key.is_some() && ledger.hash_key.is_some());
    assert_eq!(ledger.older_subject_keys.len(), 1);
    let policy = ledger.policy;
    let days = time::Duration::days;
    assert_eq!((policy.approvals, policy.cancel_window), (2, time::Duration::hours(48)));
    assert_eq!((policy.near_due, policy.grace, policy.standing), (days(5), days(14), days(45)));
    assert_eq!((policy.package_keep, policy.notices), (Some(days(20)), true));
    let roles = ledger.roles.unwrap();
    assert_eq!(roles.names(lacuna_ledger::Role::Approver), ["ben", "carla"]);
    let limits = config.erase_limits;
    assert_eq!((limits.max_rows, limits.max_shards, limits.max_share), (Some(1_000_000), Some(500), Some(0.05)));
    assert_eq!(config.notices.len(), 1);
    let [hold] = config.holds.as_slice() else { panic!("not one hold") };
    assert_eq!((hold.source.as_str(), hold.class.as_str()), ("sign-ins", "audit"));
    assert_eq!(hold.review, Some(time::macros::date!(2027 - 01 - 31)));
}

#[test]
fn an_empty_ledger_is_a_file_beside_the_configuration() {
    let ledger = parse(&format!("{SMALL}[ledger]\n")).unwrap().ledger.unwrap();
    assert!(matches!(&ledger.url, LedgerUrl::Plain(url) if url == "/etc/lacuna/lacuna-ledger.db"));
    let policy = lacuna_ledger::Policy { package_keep: None, ..lacuna_ledger::Policy::default() };
    assert_eq!((ledger.policy, ledger.roles), (policy, None));
    let config = parse(SMALL).unwrap();
    assert!(config.ledger.is_none() && config.notices.is_empty());
    assert_eq!(config.erase_limits, EraseLimits::default());
}

#[test]
fn ledger_limits_and_notices_are_checked() {
    insta::assert_snapshot!(wrong(&format!(
        "{SMALL}[ledger]\nurl = \"mysql://x\"\nsubject_key = \"hunter2\"\nolder_subject_keys = {{ env = \"A\" }}\n\
         approvals = 9\ncancel_window_hours = 1000\ngrace_day = 3\nroles = {{ approvers = [\"a\"], requester = \"b\" }}\n\
         [limits]\nmax_rows = 0\nmax_share = 1.5\nmax_shards = \"many\"\n"
    )));
    insta::assert_snapshot!(wrong(&format!(
        "{SMALL}[ledger]\nurl = \"postgres://lacuna@db/ledger\"\napprovals = 2\nroles = {{ approver = [\"a\"] }}\n"
    )));
    let password = wrong(&format!(
        "{SMALL}[ledger]\nurl = \"postgres://lacuna:hunter2@db/ledger\"\nsubject_key = {{ env = \"K\" }}\n"
    ));
    assert!(!password.contains("hunter2"));
    insta::assert_snapshot!(password);
    insta::assert_snapshot!(wrong(&format!(
        "{SMALL}[[notices]]\nname = \"a\"\nurl = \"http://hooks.example.org\"\nsecret = {{ env = \"A\" }}\n\
         [[notices]]\nname = \"a\"\nurl = \"https://10.0.0.1/\"\nsecrets = {{ env = \"A\" }}\n"
    )));
}

#[test]
fn holds_are_checked() {
    insta::assert_snapshot!(wrong_source(
        "on_erase = \"delete\"\nhold = { class = \"audit\", reason = \"\", review = \"soon\", law = \"x\" }\n"
    ));
}
