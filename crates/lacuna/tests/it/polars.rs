//! Arrow files by Polars, whose dictionaries lie behind the rows that use them.

use crate::home::Home;

const CONFIG: &str = "[store]\nurl = \"logs\"\n[export]\nurl = \"exports\"\n[[source]]\nname = \"site\"\nshards = \"*.arrow\"\n\
                      identifiers = [{ column = \"UserId\", kind = \"id\" }]\n";
const ANN: [&str; 3] = ["--json", "--subject", "id=ann"];

#[test]
fn a_person_among_categories_is_found_shown_hidden_and_erased() {
    for name in ["polars-categorical.arrow", "polars-enum.arrow"] {
        let home = Home::empty();
        home.write("lacuna.toml", CONFIG);
        let fixture = format!("{}/../../fixtures/arrow/{name}", env!("CARGO_MANIFEST_DIR"));
        home.write("logs/a.arrow", std::fs::read(fixture).unwrap());
        home.run(&["check", "--init-keys"]);
        let run = |command: &str, more: &[&str]| home.run(&[&[command], &ANN[..], more].concat());
        let matched = || run("find", &[]).ends(0).json()["matched"].clone();
        let shown = || home.run(&["cat", "a.arrow", "--source", "site"]).ends(0).stdout.clone();

        assert_eq!(matched(), 2, "{name}");
        run("export", &[]).ends(0);
        let exported: Vec<_> =
            home.files("exports").into_iter().filter(|path| path.ends_with("Records.json")).collect();
        let exported = std::fs::read_to_string(&exported[0]).unwrap();
        assert_eq!((exported.matches("\"ann\"").count(), exported.matches("\"b\"").count()), (2, 2), "{exported}");
        assert_eq!((shown().lines().count(), shown().contains("\"ann\"")), (20, true));

        run("erase", &["--yes"]).ends(0);
        assert_eq!((shown().lines().count(), shown().contains("\"ann\"")), (18, false));
        home.run(&["purge", "--json"]).ends(0);
        assert_eq!((shown().lines().count(), matched()), (18, 0.into()));
        let bytes = std::fs::read(home.path("logs/a.arrow")).unwrap();
        assert!(!bytes.windows(3).any(|window| window == b"ann"), "{name}");

        let receipts = home.files("logs/_lacuna/receipts");
        let receipt = receipts.iter().find(|path| path.to_string_lossy().ends_with(".2.jws")).unwrap();
        home.run(&[&["verify", receipt.to_str().unwrap(), "--against"], &ANN[1..]].concat()).ends(0);
    }
}
