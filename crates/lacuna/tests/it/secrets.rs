//! A secret that is missing ends a run with code 2; a secret is never shown.

use crate::home::Home;

fn with_keys() -> Home {
    let home = Home::empty();
    home.write(
        "lacuna.toml",
        "[store]\nurl = \"logs\"\n[keys.pseudonym]\nepochs = [{ id = \"1\", secret = { env = \"LACUNA_TEST_K1\" } }, \
         { id = \"2\", secret = { file = \"k2\" } }]\n[[source]]\nname = \"a\"\nshards = \"*.ndjson\"\n\
         identifiers = [{ column = \"id\", kind = \"id\", pseudonym = true }]\n",
    );
    home.write("logs/1.ndjson", "{\"id\":\"x\"}\n");
    home
}

#[test]
fn a_run_with_fewer_epochs_does_not_start() {
    let home = with_keys();
    let ran = home.run(&["find", "--subject", "id=1"]);
    assert!(ran.ends(2).stderr.contains("`LACUNA_TEST_K1` is not set"), "{}", ran.stderr);
    let ran = home.run_with(&["find", "--subject", "id=1"], &[("LACUNA_TEST_K1", "correct horse")], "");
    assert!(ran.ends(2).stderr.contains("k2"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("correct horse"));
}

#[test]
fn check_names_every_missing_key() {
    let ran = with_keys().run(&["check"]);
    ran.ends(2);
    assert!(ran.stdout.contains("`LACUNA_TEST_K1` is not set") && ran.stdout.contains("k2"), "{}", ran.stdout);
}

#[test]
fn a_configured_signing_key_that_is_missing_or_wrong_is_not_replaced() {
    let home = Home::with_logs();
    let config = home.read("lacuna.toml");
    home.write("lacuna.toml", format!("{config}\n[keys.signing]\nsecret = {{ file = \"mine.pem\" }}\n"));
    let erase = ["erase", "--now", "--yes", "--tenant", "contoso", "--subject", "email=a"];
    let ran = home.run(&erase);
    assert!(ran.ends(2).stderr.contains("mine.pem"), "{}", ran.stderr);
    home.write("mine.pem", "hunter2");
    let ran = home.run(&erase);
    assert!(ran.ends(2).stderr.contains("no Ed25519 key"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hunter2"));
    assert!(!home.path("lacuna-signing.pem").exists());
}
