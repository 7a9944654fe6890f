//! What a source says about its columns: which identify whom, and which names the tenant.

use serde::{Deserialize, Serialize};

use crate::{ColumnPath, Kind, TenantId};

/// Which columns of a source identify a person, and whose rows they are.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// A row is a subject's when any of these matches.
    pub identifiers: Vec<IdentifierRule>,
    /// How a row's tenant is known.
    pub tenant: TenantRule,
}

impl Mapping {
    /// The columns that identify.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.identifiers.iter().flat_map(IdentifierRule::fields)
    }

    /// The columns that no shard may lack.
    pub fn required(&self) -> impl Iterator<Item = &ColumnPath> {
        let tenant = match &self.tenant {
            TenantRule::Column(column) => Some(column),
            TenantRule::Single | TenantRule::Fixed(_) | TenantRule::Folder(_) => None,
        };
        self.fields().filter(|field| !field.optional).map(|field| &field.column).chain(tenant)
    }
}

/// One way in which a row can be a subject's.
#[derive(Clone, Debug)]
pub enum IdentifierRule {
    /// This column holds one of the subject's identifiers.
    One(Field),
    /// All these columns do, in the same row.
    AllOf(Vec<Field>),
}

impl IdentifierRule {
    /// The columns that the rule looks at.
    pub fn fields(&self) -> &[Field] {
        match self {
            Self::One(field) => std::slice::from_ref(field),
            Self::AllOf(fields) => fields,
        }
    }
}

/// A column that holds identifiers of one kind, and how its values compare.
#[derive(Clone, Debug)]
pub struct Field {
    /// Where the value lies.
    pub column: ColumnPath,
    /// Which identifiers of a subject it is compared to.
    pub kind: Kind,
    /// Whether letters' case counts.
    pub case: Case,
    /// Whether white space around the value is ignored.
    pub trim: bool,
    /// Which JSON types can hold the identifier.
    pub json_type: JsonType,
    /// Whether a text shard may lack the column. Otherwise, missing it makes the shard unsearchable.
    pub optional: bool,
    /// `Some` when the column holds the identifier's HMAC in place of the identifier.
    pub pseudonym: Option<PseudonymForm>,
    /// `Some` when the column holds JSON as text: where in it the value lies.
    pub json: Option<ColumnPath>,
}

impl Field {
    /// A column compared exactly, as it is.
    pub fn new(column: ColumnPath, kind: Kind) -> Self {
        Self {
            column,
            kind,
            case: Case::Sensitive,
            trim: false,
            json_type: JsonType::Any,
            optional: false,
            pseudonym: None,
            json: None,
        }
    }
}

/// Whether `A` and `a` are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// They differ.
    #[default]
    Sensitive,
    /// They are the same, by Unicode lower case; the two lower cases of a Greek sigma are one.
    Insensitive,
}

/// Which JSON values are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JsonType {
    /// `12345` and `"12345"` alike.
    #[default]
    Any,
    /// Strings only.
    String,
    /// Numbers only.
    Number,
}

/// How a pseudonym is written in its column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PseudonymForm {
    /// How its bytes are written.
    pub encoding: PseudonymEncoding,
    /// How many of the HMAC's 32 bytes are kept, from the front.
    pub length: PseudonymLength,
}

/// How the bytes of a pseudonym are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PseudonymEncoding {
    /// Any of the others: hex and base64 in text columns, raw in binary ones.
    #[default]
    Any,
    /// Hexadecimal, in lower or upper case.
    Hex,
    /// Base64 with the standard or the URL alphabet, with or without padding.
    Base64,
    /// The bytes themselves.
    Raw,
}

/// How many bytes of the HMAC are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PseudonymLength {
    /// The first 16, or all 32.
    #[default]
    Any,
    /// The first 16.
    Bytes16,
    /// All 32.
    Bytes32,
}

/// How a row's tenant is known.
#[derive(Clone, Debug)]
pub enum TenantRule {
    /// This column names it. Rows where it is null, or another's, are not the request's.
    Column(ColumnPath),
    /// All rows are this tenant's.
    Fixed(TenantId),
    /// All rows of a shard are the tenant's that a folder on the way to it names. Until that is known, they are nobody's.
    Folder(TenantFolder),
    /// The source belongs to one organisation that has no name here.
    Single,
}

/// The folder in the path of a shard that names its tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantFolder {
    /// The one that begins so, with the tenant behind: `tenant=` finds contoso in `logs/tenant=contoso/0.parquet`. What cannot stand in such
    /// a name is escaped as Hive does it (`%3A` for a colon).
    Named(String),
    /// The nth from the top, counted from 1: 2 finds contoso in `logs/contoso/0.parquet`.
    Nth(usize),
}

impl TenantFolder {
    /// Whose the shard at this path is; `None`, where no folder or more than one names a tenant.
    pub fn tenant(&self, path: &str) -> Option<TenantId> {
        let (folders, _) = path.rsplit_once('/')?;
        let mut folders = folders.split('/');
        let name = match self {
            Self::Nth(nth) => folders.nth(nth.checked_sub(1)?)?.to_owned(),
            Self::Named(prefix) => {
                let mut values = folders.filter_map(|folder| folder.strip_prefix(prefix.as_str()));
                let value = values.next().filter(|_| values.next().is_none())?;
                percent_encoding::percent_decode_str(value).decode_utf8().ok()?.into_owned()
            }
        };
        (!name.is_empty()).then(|| TenantId::new(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_names_the_tenant_or_none_does() {
        let named = |path: &str| TenantFolder::Named("t=".into()).tenant(path).map(|tenant| tenant.as_str().to_owned());
        assert_eq!(named("logs/t=contoso/d=1/0.parquet").as_deref(), Some("contoso"));
        assert_eq!(named("t=a%3Ab%20c/0.parquet").as_deref(), Some("a:b c"));
        for path in ["logs/0.parquet", "logs/t=/0", "logs/xt=a/0", "logs/t=a", "t=a/t=b/0", "t=a/t=a/0", "t=%ff/0"] {
            assert_eq!(named(path), None, "{path}");
        }
        let second = |path: &str| TenantFolder::Nth(2).tenant(path).map(|tenant| tenant.as_str().to_owned());
        assert_eq!(second("logs/contoso/2026/0.ndjson").as_deref(), Some("contoso"));
        assert_eq!(second("logs/a%3Ab/0").as_deref(), Some("a%3Ab"), "nothing is escaped in a name of its own");
        assert_eq!((second("logs/0.ndjson"), second("0.ndjson")), (None, None));
    }
}
