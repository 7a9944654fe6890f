//! The signing key: made on demand, and never overwritten.

use crate::home::Home;

#[test]
fn init_keys_makes_one_pair_and_keeps_it() {
    let home = Home::with_logs();
    home.run(&["check", "--init-keys"]);
    let private = home.read("lacuna-signing.pem");
    assert!(private.starts_with("-----BEGIN PRIVATE KEY-----"));
    assert!(home.read("lacuna-signing.pub.pem").starts_with("-----BEGIN PUBLIC KEY-----"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = home.path("lacuna-signing.pem").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    let again = home.run(&["check", "--init-keys"]);
    assert!(again.ends(2).stderr.contains("exists already"), "{}", again.stderr);
    assert_eq!(home.read("lacuna-signing.pem"), private);
}
