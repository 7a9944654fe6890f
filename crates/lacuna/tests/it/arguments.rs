//! Arguments that cannot be right end with code 2, before anything is read or changed.

use rstest::rstest;

use crate::home::{ALICE, Home};

#[rstest]
#[case::no_command(&[], "Usage:")]
#[case::unknown_command(&["fnd"], "a similar subcommand exists: 'find'")]
#[case::nobody(&["find", "--tenant", "contoso"], "nobody is asked for")]
#[case::no_tenant(&["find", "--subject", ALICE], "source `activity` maps a tenant")]
#[case::unknown_source(&["find", "--tenant", "contoso", "--subject", ALICE, "--source", "actvity"], "did you mean `activity`?")]
#[case::unknown_kind(&["find", "--tenant", "contoso", "--subject", "emial=x"], "did you mean `email`?")]
#[case::kind_of_another_source(
    &["find", "--tenant", "contoso", "--source", "activity", "--subject", "event=8"],
    "no source maps identifiers of a kind that is asked for; the only one is `email`"
)]
#[case::swapped(&["find", "--tenant", "contoso", "--subject", "alice@example.org=email"], "a kind that is asked for; there are ")]
#[case::fixed_tenant(
    &["find", "--tenant", "contso", "--source", "audit", "--subject", ALICE],
    "no source belongs to the tenant `contso`; did you mean `contoso`?"
)]
#[case::no_file(&["find", "--tenant", "contoso", "--subjects", "none.txt"], "cannot read the subjects in none.txt")]
#[case::no_config(&["find", "--config", "other.toml", "--subject", ALICE], "cannot read the configuration other.toml")]
#[case::memory(&["find", "--memory", "lots", "--subject", ALICE], "no size")]
#[case::little_memory(&["find", "--memory", "1MiB", "--subject", ALICE], "16.0 MiB")]
#[case::threads(&["find", "--threads", "0", "--subject", ALICE], "from 1 to 1024")]
#[case::request_id(&["export", "--request-id", "a/b", "--tenant", "contoso", "--subject", ALICE], "--request-id")]
#[case::format(&["export", "--format", "yaml", "--subject", ALICE], "possible values: json, ndjson, csv, xml")]
#[case::destination(&["export", "--to", "s3://b", "--tenant", "contoso", "--subject", ALICE], "az://CONTAINER")]
#[case::account(&["export", "--to", "az://out", "--tenant", "contoso", "--subject", ALICE], "which account")]
#[case::unasked(&["erase", "--now", "--tenant", "contoso", "--subject", ALICE], "--yes")]
#[case::blank(&["erase", "--yes", "--subject", ALICE, "--subject", "email= "], "the second value of --subject has no visible value")]
#[case::unseen(&["erase", "--yes", "--subject", "email=\u{200b}\u{feff}"], "the first value of --subject has no visible value")]
#[case::shard_beside_the_store(&["cat", "/var/log/1.ndjson"], "path within the store")]
#[case::temp_dir(&["find", "--temp-dir", "none/x", "--tenant", "contoso", "--subject", ALICE], "none/x is no folder")]
#[case::shard_of_no_source(&["cat", "elsewhere/1.ndjson"], "the shard belongs to no source")]
#[case::no_key(&["verify", "receipt.jws"], "no public key")]
fn what_cannot_be_right_is_said(#[case] args: &[&str], #[case] expected: &str) {
    let home = Home::with_logs();
    let before = home.files("");
    let ran = home.run(args);
    ran.ends(2);
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    assert_eq!(home.files(""), before, "nothing is written");
    assert!(!ran.stderr.contains("alice"), "no identifier is repeated: {}", ran.stderr);
}

#[rstest]
#[case::usage(&["find", "--json", "--nonsense"])]
#[case::clap(&["export", "--json", "--format", "yaml"])]
#[case::config(&["find", "--json", "--config", "none.toml", "--subject", ALICE])]
#[case::subject(&["find", "--json", "--subject", "alice@example.org"])]
#[case::erase(&["erase", "--json", "--tenant", "contoso", "--subject", ALICE])]
#[case::verify(&["verify", "--json", "receipt.jws"])]
fn an_error_is_one_json_document_too(#[case] args: &[&str]) {
    let ran = Home::with_logs().run(args);
    ran.ends(2);
    let document = ran.json();
    assert!(document["error"]["message"].is_string() && document["error"]["causes"].is_array(), "{document}");
    assert!(ran.stderr.contains("error: "), "people see it as well: {}", ran.stderr);
}

#[test]
fn a_broken_subject_is_not_repeated() {
    let home = Home::with_logs();
    let ran = home.run(&["find", "--tenant", "contoso", "--subject", ALICE, "secret@example.org"]);
    ran.ends(2);
    assert!(ran.stderr.contains("the second value of --subject is not KIND=VALUE"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    let ran = home.run_with(&["find", "--tenant", "contoso", "--subjects", "-"], &[], "# who\nsecret@example.org\n");
    ran.ends(2);
    assert!(ran.stderr.contains("line 2 of the subjects in standard input"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
}

#[rstest]
#[case::option_forgotten(&["find", "email=secret@example.org"], "an unexpected argument")]
#[case::bare(&["find", "--tenant", "contoso", "secret"], "an unexpected argument")]
#[case::command_forgotten(&["email=secret"], "an unknown command")]
#[case::value(&["export", "--format", "email=secret"], "the value of --format <FORMAT> cannot be right")]
#[case::file(&["find", "--subjects", "email=secret"], "--subjects takes the name of a file")]
#[case::source(&["find", "--source", "activity", "email=secret", "--subject", ALICE], "there is no such source")]
fn an_identifier_in_another_place_is_not_repeated(#[case] args: &[&str], #[case] expected: &str) {
    let ran = Home::with_logs().run(&[args, &["--json"]].concat());
    ran.ends(2);
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    assert!(ran.stderr.contains("--subject"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("secret") && !ran.stdout.contains("secret"), "{}{}", ran.stderr, ran.stdout);
    assert!(ran.json()["error"]["message"].is_string());
}

#[rstest]
#[case::one(&["sample", "--json"], "the following required arguments were not provided: --out <DIR>", None)]
#[case::reason(&["request", "deny", "--json", "x"], "the following required arguments were not provided: --reason <TEXT>", None)]
#[case::values(
    &["export", "--json", "--format", "jsn"],
    "invalid value 'jsn' for '--format <FORMAT>' [possible values: json, ndjson, csv, xml]",
    Some("a similar value exists: 'json'")
)]
#[case::option(&["find", "--json", "--subjcet"], "unexpected argument '--subjcet' found", Some("a similar argument exists: '--subject'"))]
fn the_document_says_all_that_people_read(#[case] args: &[&str], #[case] message: &str, #[case] advice: Option<&str>) {
    let ran = Home::empty().run(args);
    ran.ends(2);
    let document = ran.json();
    assert_eq!((document["error"]["message"].as_str(), document["error"]["advice"].as_str()), (Some(message), advice));
}

#[test]
fn everything_wrong_with_a_configuration_is_said_at_once() {
    let home = Home::with_logs();
    let config = home.read("lacuna.toml").replace("shards = \"act", "shrads = \"act").replace("\"keep\"", "\"kepe\"");
    home.write("lacuna.toml", config);
    let ran = home.run(&["find", "--subject", ALICE]);
    ran.ends(2);
    for expected in ["lacuna.toml:10:1: unknown key `shrads`", "did you mean `shards`?", "did you mean `keep`?"] {
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}

#[test]
fn completions_and_man_page_know_every_command() {
    let home = Home::empty();
    let man = home.run(&["man"]);
    man.ends(0);
    let bash = home.run(&["completions", "bash"]);
    bash.ends(0);
    for command in "demo sample find export erase request hold ledger verify cat check completions".split(' ') {
        assert!(bash.stdout.contains(command), "{command}");
        assert!(man.stdout.to_lowercase().contains(&format!("lacuna {command}")), "{command}");
    }
    for option in ["subjects", "dry", "request", "init"] {
        assert!(man.stdout.contains(option), "{option}");
    }
    assert!(man.stdout.contains("130"), "exit codes are in the man page");
}

#[test]
fn log_lines_have_colours_on_a_terminal_only() {
    let home = Home::with_logs();
    let ran = home.run(&["find", "--tenant", "contoso", "--subject", ALICE, "-vv"]);
    assert!(ran.ends(0).stderr.contains("DEBUG") && !ran.stderr.contains('\x1b'), "{}", ran.stderr);
}

#[test]
fn help_and_version_are_no_errors() {
    let home = Home::empty();
    let help = home.run(&["--help"]);
    help.ends(0);
    assert!(help.stdout.contains("Exit codes"), "{}", help.stdout);
    home.run(&["find", "--help"]).ends(0);
    assert!(home.run(&["--version"]).ends(0).stdout.starts_with("lacuna "));
}
