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
            TenantRule::Single | TenantRule::Fixed(_) => None,
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
    /// The source belongs to one organisation that has no name here.
    Single,
}
