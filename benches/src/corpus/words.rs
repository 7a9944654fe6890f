//! What the records talk about. Addresses and domains are of the ranges kept for examples, so nobody real is in them.

pub(crate) const TENANTS: [&str; 8] =
    ["contoso", "fabrikam", "northwind", "adatum", "tailspin", "litware", "proseware", "wingtip"];

/// Each tenant's offset from UTC, in minutes.
pub(crate) const OFFSETS: [i32; 6] = [-420, 60, 330, 0, -300, 570];

pub(crate) const GIVEN: [&str; 32] = [
    "Adele",
    "Alex",
    "Amina",
    "Bianca",
    "Chen",
    "Daan",
    "Diego",
    "Emre",
    "Fatou",
    "Grady",
    "Henrietta",
    "Ines",
    "Isaiah",
    "Jakob",
    "Joni",
    "Kaito",
    "Lee",
    "Lidia",
    "Lynne",
    "Megan",
    "Miriam",
    "Nestor",
    "Olena",
    "Patti",
    "Pradeep",
    "Priya",
    "Ravi",
    "Sofia",
    "Tomas",
    "Wanjiru",
    "Yusuf",
    "Zoe",
];

pub(crate) const SURNAMES: [&str; 40] = [
    "Andersson",
    "Bauer",
    "Bowen",
    "Cardoso",
    "Costa",
    "Diallo",
    "Eriksen",
    "Fischer",
    "Garcia",
    "Gupta",
    "Haddad",
    "Hansen",
    "Ito",
    "Ivanov",
    "Jansen",
    "Kaya",
    "Kim",
    "Kowalski",
    "Langer",
    "Larsson",
    "Lopez",
    "Mehta",
    "Moreau",
    "Mueller",
    "Mwangi",
    "Nguyen",
    "Novak",
    "Okafor",
    "Olsen",
    "Patel",
    "Quinn",
    "Rossi",
    "Sato",
    "Schmidt",
    "Silva",
    "Tanaka",
    "Vance",
    "Weber",
    "Wilber",
    "Zhang",
];

pub(crate) const ACTIONS: [&str; 12] = [
    "FileAccessed",
    "FilePreviewed",
    "FileModified",
    "FileDownloaded",
    "FileUploaded",
    "PageViewed",
    "SearchQueryPerformed",
    "SharingSet",
    "FolderCreated",
    "FileRenamed",
    "ListItemUpdated",
    "FileSyncUploadedFull",
];

pub(crate) const APPS: [&str; 8] =
    ["SharePoint", "OneDrive", "Word", "Excel", "PowerPoint", "OneNote", "Lists", "Stream"];

pub(crate) const PLATFORMS: [&str; 10] = [
    "Windows 10.0.26100",
    "Windows 10.0.22631",
    "Windows 10.0.19045",
    "macOS 15.6",
    "macOS 26.1",
    "iOS 26.1",
    "iOS 18.7",
    "Android 16",
    "Android 15",
    "Linux",
];

pub(crate) const AGENTS: [&str; 8] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.18925; Pro)",
    "Microsoft SkyDriveSync 25.184.0921.0004 ship; Windows NT 10.0 (26100)",
    "OneDriveMpc-Transform_Thumbnail/1.0",
];

pub(crate) const FILES: [&str; 10] = [
    "Budget 2026.xlsx",
    "Quarterly \"final\" review.pptx",
    "notes.one",
    "Rückblick – Größen.docx",
    "会議メモ.docx",
    "holiday photo.heic",
    "contract_v3 (signed).pdf",
    "roadmap.mpp",
    "a\\b.txt",
    "Überblick\u{2028}Seite 2.docx",
];

pub(crate) const MAIL_OPERATIONS: [&str; 7] = [
    "MailItemsAccessed",
    "Send",
    "MoveToDeletedItems",
    "SoftDelete",
    "Update",
    "SearchQueryInitiatedExchange",
    "Create",
];

pub(crate) const AUDIT_OPERATIONS: [&str; 7] = [
    "Add member to group",
    "Update user",
    "Consent to application",
    "Reset user password",
    "Add owner to application",
    "Update device",
    "Disable account",
];

pub(crate) const QUERIES: [&str; 12] = [
    "quarterly report",
    "who is on call",
    "expense policy",
    "vpn setup",
    "org chart",
    "budget 2026",
    "parental leave",
    "printer 3rd floor",
    "roadmap",
    "größentabelle",
    "会議室",
    "\"exact phrase\" -draft",
];

pub(crate) const CODECS: [&str; 4] = ["opus", "silk", "h264", "av1"];
pub(crate) const NETWORKS: [&str; 4] = ["wired", "wifi", "5g", "vpn"];

pub(crate) const DEVICE_EVENTS: [(&str, &str); 5] = [
    ("AppHang", "Window did not answer for 5,021 ms"),
    ("DriverCrash", "Stop code 0x7E in \"gpu0\"\nFrame 0: present()\nFrame 1: flip()"),
    ("UpdateInstalled", "KB5066835, restart pending"),
    ("BatteryReport", "cycles=212; health=\"good\""),
    ("Heartbeat", ""),
];
